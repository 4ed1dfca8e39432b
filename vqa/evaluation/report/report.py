"""An evaluation as one page that needs nothing else: figures, curves, and a gallery of questions with their photos."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from vqa.data.files import whole_file
from vqa.evaluation.report.gallery import REASONS, Gallery, pictures
from vqa.model.errors import InputError
from vqa.model.text import PLACES
from vqa.show.heat import INFERNO

STATIC = Path(__file__).parent / "static"
COMMON = 15  # answers in the table of mix-ups

Content = Mapping[str, Any]


def write_report(
    path: Path,
    content: Content,
    records: Iterable[Mapping[str, Any]],
    advance: Callable[[int], None] = lambda questions: None,
) -> None:
    """Write one HTML page, whole or not at all, of less than 15 MB however many questions there are.

    Args:
        path: of the page.
        content: of `results.json`; what it lacks, the page lacks.
        records: as `vqa.evaluation.answers.scores` makes them, in the data's order; read once. Those without a known
            answer are left out. Of more than 5,000 the gallery has 5,000, drawn at random.
        advance: called with the number of questions that are done; in total as many as have a known answer.

    Raises:
        InputError: the page cannot be written.
    """
    gallery = Gallery.draw(records, advance=advance)
    questions_of = Counter(entry["p"] for entry in gallery.entries)
    drawn = pictures([image for _, image in gallery.photos], advance=lambda photo: advance(questions_of[photo]))
    photos = [[name, *(picture or ())] for (name, _), picture in zip(gallery.photos, drawn.of, strict=True)]
    data = {"entries": gallery.entries, "reasons": REASONS, "heat": INFERNO.tolist(), "places": PLACES}
    page = (
        templates()
        .get_template("report.html")
        .render(
            title=title(content),
            verdict=verdict(content),
            content=content,
            calibration=content.get("calibration") or {},
            measurements=list(measurements(content)),
            mix_ups=mix_ups(gallery.pairs),
            gallery=gallery,
            pictures=drawn,
            made_with={key: content.get(key) for key in ("command", "weights", "seed")}
            | (content.get("environment") or {}),
            style=Markup((STATIC / "report.css").read_text(encoding="utf-8")),
            script=Markup((STATIC / "report.js").read_text(encoding="utf-8")),
            data=as_script(data),
            photos=as_script(photos),
        )
    )
    try:
        with whole_file(path) as new:  # half a surrogate pair cannot be written
            new.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"The report {path} cannot be written ({error.strerror}); choose another place.") from error


@cache
def templates() -> Environment:
    """The templates, which escape whatever comes from the data."""
    environment = Environment(loader=FileSystemLoader(STATIC), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.tests["figure"] = lambda value: is_number(value) or is_interval(value)
    environment.filters |= {"figure": as_text, "readable": readable, "columns_in": columns_in, "ordered": ordered}
    return environment


def as_script(content: object) -> Markup:
    """JSON that can be put into a script element: no '<', which could end it or begin a comment."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def title(content: Content) -> str:
    """The names of the model and the data."""
    files = ", ".join(map(str, (content.get("data") or {}).get("files") or ())) or "unknown data"
    return f"{content.get('model') or 'unknown model'} on {files}"


def verdict(content: Content) -> str:
    """Whether looking helps, in one sentence."""
    exact, floor = (content.get("metrics") or {}).get("exact"), (content.get("baselines") or {}).get("question_only")
    interval = (content.get("intervals") or {}).get("above_question_only")
    if not (is_number(exact) and is_number(floor)):
        return "Whether it beats guessing without looking is not known: there is no such guess to compare with."
    points = f"{abs(exact - floor):.1f} points"
    if not is_interval(interval):
        side = "above" if exact > floor else "below"
        return f"It is {points} {side} guessing without looking; how sure that is, is not known."
    low, high = interval
    sure = f"(95% interval {low:+.1f} to {high:+.1f})"
    if low > 0:
        return f"It beats guessing without looking, by {points} {sure}."
    if high < 0:
        return f"It is worse than guessing without looking, by {points} {sure}."
    return f"It cannot be told from guessing without looking: {points} apart {sure}."


def measurements(content: Content) -> Iterable[dict[str, Any]]:
    """The figures of each measurement: `single` ones, and `cases`, a dict each, with all their `columns`; the figures
    of several glimpses are cases, too."""
    for name, entry in ((content.get("grounding") or {}) | {"robustness": content.get("robustness")}).items():
        entry = entry if isinstance(entry, Mapping) else {}
        entry = {key: value for key, value in entry.items() if key != "variants"} | dict(entry.get("variants") or {})
        for number, glimpse in enumerate(entry.get("glimpses") or (), start=1):
            entry |= {f"{key}, glimpse {number}": value for key, value in glimpse.items()}
        single = {key: value for key, value in entry.items() if is_number(value) or is_interval(value)}
        cases = {key: value for key, value in entry.items() if isinstance(value, Mapping) and value}
        figures = [
            key for case in cases.values() for key, value in case.items() if is_number(value) or is_interval(value)
        ]
        if single or figures:
            yield {"name": name, "single": single, "cases": cases, "columns": list(dict.fromkeys(figures))}


def mix_ups(pairs: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """For the commonest references how often each of them was predicted, and, last, anything else; pairs: of reference
    and prediction. own: the place of the reference among the counts, from 1."""
    total: Counter[str] = Counter()
    for (reference, _), n in pairs.items():
        total[reference] += n
    common = total.most_common(COMMON)
    rows = []
    for own, (reference, n) in enumerate(common, start=1):
        counts = [pairs.get((reference, answer), 0) for answer, _ in common]
        rows.append({"reference": reference, "n": n, "own": own, "counts": [*counts, n - sum(counts)]})
    return rows


def columns_in(titles: Mapping[str, Any], rows: Mapping[str, Content]) -> dict[str, Any]:
    """Those items of `titles` for which some row has a value."""
    return {key: titles[key] for key in titles if any(row.get(key) not in (None, {}) for row in rows.values())}


def ordered(rows: Mapping[str, Content], table: str) -> list[tuple[str, Content]]:
    """Lengths and ranks by the number that their name begins with; other kinds of questions the most frequent first."""

    def place(item: tuple[str, Content]) -> tuple[float, str]:
        if table not in ("by_question_length", "by_answer_rank"):
            return -(item[1].get("n") or 0), item[0]
        start = item[0].split("-")[0].split("+")[0]
        return (float(start) if start.isdecimal() else float("inf")), item[0]

    return sorted(rows.items(), key=place)


def as_text(value: Any, key: object) -> str:
    """A number, or two: the ends of an interval, or rows and columns."""
    if is_interval(value):
        return (" to " if "interval" in str(key) else " x ").join(as_text(part, key) for part in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def readable(key: object) -> str:
    return {"n": "questions", "interval": "95% interval"}.get(str(key), str(key).replace("_", " "))


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def is_interval(value: object) -> TypeGuard[Sequence[float]]:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value))
