"""Questions from any file, or made-up ones, for the scripts that look inside the models."""

from collections.abc import Iterator
from pathlib import Path

from vqa.data.readers.jsonl import json_rows
from vqa.data.readers.lines import numbered_lines
from vqa.inside.questions import made_up_questions
from vqa.language.complete import Completer
from vqa.model.errors import InputError
from vqa.predict import VQA


def some_questions(vqa: VQA, path: Path | None, limit: int) -> tuple[list[str], int]:
    """The first `limit` different questions that the model can read, and how many it could not.

    path: JSON lines with the field 'question' (.jsonl, .jsonl.gz), or text, a question a line; None: those that the
    bundled character model makes up. Raises `InputError` for a file that cannot be read.
    """
    found: dict[str, None] = {}
    unreadable = 0
    for text in made_up_questions(Completer.load()) if path is None else lines(path):
        try:
            vqa.processor.encode([text])
        except InputError:
            unreadable += 1
            continue
        found[text] = None
        if len(found) == limit:
            break
    return list(found), unreadable


def lines(path: Path) -> Iterator[str]:
    """The file's questions, one after the other, never all at once; blank lines hold none."""
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        for row, where in json_rows(path):
            if not isinstance(row, dict) or not isinstance(row.get("question"), str):
                raise InputError(f"{where} has no text 'question': mend or delete it.")
            yield " ".join(row["question"].split())
    else:
        for _, line in numbered_lines(path):
            if line.strip():
                yield " ".join(line.split())
