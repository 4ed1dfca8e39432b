"""Many photos at once: which photos and questions are meant, and a row for each answer."""

import glob
import json
import logging
import os
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from vqa.data.examples import Example
from vqa.data.parallel import map_ahead
from vqa.model.errors import InputError, printable
from vqa.model.photos import SUFFIXES, open_photo
from vqa.model.text import is_guess
from vqa.script import PartlyFailed
from vqa.show.terminal import said
from vqa.table import Row, Table

if TYPE_CHECKING:
    from vqa.captioning.describe import Describer
    from vqa.predict import VQALike

ANSWER = ("photo", "question", "answer", "confidence", "sure", "guess", "without_photo", "note", "model", "error")
CAPTION = ("photo", "caption", "score", "model", "error")


def split(inputs: Sequence[str], question_file: str | None = None) -> tuple[list[str], list[str]]:
    """The arguments of `vqa ask` that name photos, and the questions, with those of a file, each once.

    The first argument always names photos. Raises `InputError` if there is no question.
    """
    photos = [text for i, text in enumerate(inputs) if i == 0 or names_photos(text)]
    questions = [text for i, text in enumerate(inputs) if i > 0 and not names_photos(text)]
    if question_file is not None:
        from vqa.data.readers.text_files import numbered_lines  # its package imports every reader

        lines = numbered_lines(Path(question_file), guess=True)
        questions += [line.strip() for _, line in lines if line.strip()]
    if not questions:
        raise InputError("There is no question; write it after the photos, such as 'what is on the table?'.")
    return photos, list(dict.fromkeys(questions))


def is_one(inputs: Sequence[str]) -> bool:
    """Whether the arguments name a single file, which may not exist."""
    if len(inputs) > 1 or inputs[0] == "-" or os.path.isdir(inputs[0]):
        return False
    return os.path.exists(inputs[0]) or not glob.has_magic(inputs[0])


def names_photos(text: str) -> bool:
    """Whether an argument is `-`, an existing file or folder, a pattern that matches, or the name of an image file."""
    if text == "-" or os.path.exists(text) or (glob.has_magic(text) and glob.glob(text, recursive=True)):
        return True
    return Path(text).suffix.lower() in SUFFIXES


def list_photos(inputs: Iterable[str]) -> list[str]:
    """The photos that the arguments name, each once: files, the photos in folders and below them in alphabetical order,
    what patterns match, and for `-` the lines of standard input (or what `find -print0` writes). Files that do not
    exist remain, to be reported.

    Raises `InputError` for a folder or a pattern without any photo.
    """
    photos: dict[str, None] = {}
    for text in inputs:
        if text == "-":
            listed = os.fsdecode(sys.stdin.buffer.read().removeprefix(b"\xef\xbb\xbf"))
            found = [line for line in map(str.strip, listed.split("\0" if "\0" in listed else "\n")) if line]
        elif os.path.isdir(text):
            found = sorted(photos_in(text))
        elif glob.has_magic(text) and not os.path.exists(text):
            found = sorted(glob.glob(text, recursive=True))
        else:
            found = [text]
        if not found:
            raise InputError(
                f"{'Standard input' if text == '-' else text} names no photo; check the name and the place."
            )
        photos |= dict.fromkeys(found)
    return list(photos)


def photos_in(folder: str) -> Iterator[str]:
    """The image files in a folder and below it; hidden ones are left out, such as the `._*` of macOS. Folders that are
    links, which may lead anywhere, and those that cannot be read are reported."""
    report = logging.getLogger("glimpse").warning

    def unreadable(error: OSError) -> None:
        report("%s cannot be read (%s); it is left out.", error.filename, error.strerror)

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for linked in filter(os.path.islink, (os.path.join(place, name) for name in folders)):
            report("%s is a link to a folder and left out; name it, too, if you want its photos.", linked)
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield os.path.join(place, name)


def ask_all(
    vqa: "VQALike", photos: Sequence[str], questions: Sequence[str], top: int = 5, done: Container[Any] = ()
) -> Iterator[list[Row]]:
    """Ask each photo each question, except the pairs in `done`; the rows of a batch of photos at a time, in order.

    A photo or a question that cannot be read gives rows with an `error`.
    """
    notes, errors = check_all(vqa, questions)
    for photo in photos if errors else ():
        yield [{"photo": photo, "question": q, "error": e} for q, e in errors.items() if (photo, q) not in done]
    yield from ask_pairs(vqa, ((p, p, q) for p in photos for q in notes if (p, q) not in done), notes, top)


def check_all(vqa: "VQALike", questions: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The remarks on the questions that can be asked, and the reasons why the others cannot."""
    notes, errors = {}, {}
    for question in questions:
        try:
            notes[question] = vqa.check(question)
        except InputError as error:
            errors[question] = str(error)
    return notes, errors


def ask_pairs(
    vqa: "VQALike", asked: Iterable[tuple[str, Any, str]], notes: Mapping[str, str], top: int
) -> Iterator[list[Row]]:
    """`ask_all` for tuples of a name, its photo (a path or the bytes of a file) and a question that `notes` holds."""
    from vqa.evaluation.answers.answering import Answered, answers  # takes seconds
    from vqa.evaluation.answers.questions import batches

    waiting: dict[int, tuple[str, Example]] = {}

    def examples() -> Iterator[Example]:
        for index, (name, photo, question) in enumerate(asked):
            waiting[index] = name, Example(photo, question)
            yield waiting[index][1]

    for _, results in answers(vqa, batches(examples()), top=top):
        rows = []
        for result in sorted(results, key=lambda result: result.index):
            name, example = waiting.pop(result.index)
            row: Row = {"photo": name, "question": example.question}
            if isinstance(result, Answered):
                row |= {
                    "answer": result.prediction,
                    "confidence": rounded(result.confidence),
                    "top": [{"answer": answer, "score": rounded(score)} for answer, score in result.top],
                    "sure": bool(result.sure) and not notes[example.question],
                    "guess": is_guess(result.photo_mattered),
                    "without_photo": result.blind,
                    "photo_mattered": rounded(result.photo_mattered),
                    "note": notes[example.question],
                    "model": vqa.name,
                }
            else:
                row["error"] = result.message
            rows.append(row)
        yield rows


def rounded(probability: float | None) -> float | None:
    """To four digits: the sixth depends on which questions are computed together. None if a model has none."""
    return None if probability is None else round(probability, 4)


def describe_all(describer: "Describer", photos: Iterable[str], **search: Any) -> Iterator[list[Row]]:
    """A row with the caption of each photo, which are read ahead; search: as for `Describer.describe`."""

    def read(photo: str) -> tuple[str, Any, str | None]:
        try:
            return photo, open_photo(photo, describer.side), None
        except InputError as error:
            return photo, None, str(error)

    for photo, image, error in map_ahead(read, photos, depth=16):
        if error is None:
            caption = describer.describe(image, **search)
            yield [{"photo": photo, "caption": caption.text, "score": caption.score, "model": describer.vqa.name}]
        else:
            yield [{"photo": photo, "error": error}]


def ask(
    inputs: Sequence[str], questions: Sequence[str], top: int, table: Table | None, as_json: bool, **load: Any
) -> None:
    """`vqa ask` about many photos; load: as for `VQA.load`. Raises `PartlyFailed` if rows have errors."""
    from vqa.predict import VQA  # takes seconds

    photos, done = list_photos(inputs), table.done if table else set()
    left = sum((photo, question) not in done for photo in photos for question in questions)
    write(ask_all(VQA.load(**load), photos, questions, top, done), left, table, as_json)


def describe(describer: "Describer", photos: Sequence[str], table: Table | None, as_json: bool, **search: Any) -> None:
    """`vqa describe` for many photos. Raises `PartlyFailed` if rows have errors."""
    left = [photo for photo in photos if not table or photo not in table.done]
    write(describe_all(describer, left, **search), len(left), table, as_json)


def write(batches: Iterable[list[Row]], total: int, table: Table | None, as_json: bool) -> None:
    """Add rows to the table with a progress bar, or print each if there is none; total: how many there will be."""
    failed, before = (table.failed, len(table.done)) if table else (0, 0)
    console, columns = Console(stderr=True), (*Progress.get_default_columns(), MofNCompleteColumn())
    hidden = table is None or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("rows", total=total)
        for rows in batches:
            if table:
                table.append(rows)
            for row in () if table else rows:
                print(json.dumps(row) if as_json else in_a_line(row), flush=True)
            failed += sum("error" in row for row in rows)
            bar.advance(task, len(rows))
    if table:
        earlier = f", {before:,} from an earlier run" if before else ""
        again = "" if total else "; to compute them anew, name another file"
        print(f"{before + total:,} rows are in {table.path}{earlier}{again}.")
    check_failed(failed, before + total)


def in_a_line(row: Row) -> str:
    """A row for a person: the photo, the question, and the answer, the caption or the error, between tabs."""
    answer = row.get("caption", "")
    if "answer" in row:
        answer = f"{said(row['answer'], row['sure'])} ({row['confidence']:.0%})"
    names = [row[name] for name in ("photo", "question") if name in row]
    return printable("\t".join([*names, row.get("error") or answer]))


def check_failed(failed: int, total: int) -> None:
    """Raise `PartlyFailed` if any failed."""
    if failed:
        raise PartlyFailed(f"{failed:,} of {total:,} could not be answered; the reasons are with them.")
