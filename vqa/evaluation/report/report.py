"""An evaluation as one page that needs nothing else: figures, curves, and a gallery of questions with their photos."""

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from vqa.data.files import whole_file
from vqa.evaluation.report import curves, tables
from vqa.evaluation.report.gallery import BUDGET, REASONS, SHOWN, Pictures, Sample, pictures
from vqa.model.errors import InputError
from vqa.show.heat import INFERNO

STATIC = Path(__file__).parent / "static"
SKIPPED = {"photo": "no readable photo", "question": "no readable question", "answer": "no known answer"}


def write_report(
    path: Path,
    results: Mapping[str, Any],
    records: Iterable[Mapping[str, Any]],
    advance: Callable[[int], None] = lambda questions: None,
    seed: int = 0,
    title: str = "",
) -> None:
    """Write one HTML page, whole or not at all, of less than 15 MB however many questions there are.

    Args:
        path: of the page.
        results: the content of `results.json`; what it lacks, the page lacks.
        records: a dict a question in the data's order, as `vqa.evaluation.answers.scores` makes them; read once. Those
            without a known answer are passed over. With more than 5,000 the gallery shows so many, drawn with `seed`.
        advance: told how many questions are done, now and then; all together as many as have a known answer.
        title: of the page; else the model's and the data's names.

    Raises:
        InputError: the page cannot be written.
    """
    sample = Sample.draw(records, SHOWN, seed, advance)
    about = [0] * len(sample.photos)
    for shown in sample.shown:
        about[shown["p"]] += 1
    made = pictures([image for _, image in sample.photos], BUDGET, lambda place: advance(about[place]))
    page = Template(read("report.html")).substitute(
        title=escape(title or name(results)),
        style=read("report.css"),
        script=read("report.js"),
        headline=headline(results),
        tables=all_tables(results.get("tables") or {}),
        curves=all_curves(results.get("calibration") or {}),
        looking=looking(results),
        mix_ups=section("mixups", "Mix-ups", tables.mix_ups(sample.pairs) if sample.pairs else ""),
        gallery_note=gallery_note(sample, made),
        made_with=made_with(results),
        data=as_script({"shown": sample.shown, "reasons": REASONS, "heat": INFERNO.tolist()}),
        photos=as_script([[photo, *(found or ())] for (photo, _), found in zip(sample.photos, made.of, strict=True)]),
    )
    write_whole(path, page)


def read(file: str) -> str:
    return (STATIC / file).read_text(encoding="utf-8")


def as_script(content: object) -> str:
    """JSON that can stand in a script element: no '<', which could end it or begin a comment."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def write_whole(path: Path, page: str) -> None:
    try:
        with whole_file(path) as new:
            new.write_text(page, encoding="utf-8", errors="replace")  # half a surrogate pair cannot be written
    except OSError as error:
        raise InputError(f"The report {path} cannot be written ({error.strerror}); choose another place.") from error


def name(results: Mapping[str, Any]) -> str:
    """Model and data, as plain text."""
    files = ", ".join(map(str, (results.get("data") or {}).get("files") or ())) or "unknown data"
    return f"{results.get('model') or 'unknown model'} on {files}"


def headline(results: Mapping[str, Any]) -> str:
    """What was asked, the first figures, and a sentence that says what they mean."""
    intervals, metrics = results.get("intervals") or {}, results.get("metrics") or {}
    exact, floor = metrics.get("exact"), (results.get("baselines") or {}).get("question_only")
    tiles = [tile("right answers", exact, "%", intervals.get("exact"))]
    if tables.is_number(floor):
        tiles.append(tile("guessing without looking", floor, "%", None))
        if tables.is_number(exact):
            tiles.append(tile("gained by looking", exact - floor, " points", intervals.get("above_question_only")))
    if tables.is_number(metrics.get("official")):
        note = f"official accuracy, {metrics.get('n_official', 0):,} questions"
        tiles.append(tile(note, metrics["official"], "%", intervals.get("official")))
    n, skipped = results.get("n", 0), results.get("skipped") or {}
    asked = f"{n:,} questions were scored"
    if skipped:
        reasons = ", ".join(f"{count:,} with {SKIPPED.get(reason, reason)}" for reason, count in skipped.items())
        asked += f"; left out: {reasons}"
    return (
        f'<p class="verdict">{escape(verdict(exact, floor, intervals.get("above_question_only")))}</p>'
        f'<ul class="tiles">{"".join(tiles)}</ul><p>Model <b>{escape(str(results.get("model") or "unknown"))}</b>. '
        f"{escape(asked)}. An answer is right if it equals the known one after both are normalised. "
        "Intervals hold 95% of what other photos of the same kind would have given.</p>"
    )


def verdict(exact: object, floor: object, interval: object) -> str:
    """Whether looking helps, in one sentence."""
    if not (tables.is_number(exact) and tables.is_number(floor)):
        return "Whether it beats guessing without looking is not known: there is no such guess to compare with."
    points = f"{abs(exact - floor):.1f} points"
    if not tables.is_interval(interval):
        side = "above" if exact > floor else "below"
        return f"It is {points} {side} guessing without looking; how sure that is, is not known."
    low, high = interval[0], interval[1]
    sure = f"(95% interval {low:+.1f} to {high:+.1f})"
    if low > 0:
        return f"It beats guessing without looking, by {points} {sure}."
    if high < 0:
        return f"It is worse than guessing without looking, by {points} {sure}."
    return f"It cannot be told from guessing without looking: {points} apart {sure}."


def tile(label: str, value: object, unit: str, interval: object) -> str:
    """One large figure."""
    shown = f"{value:.1f}{unit}" if tables.is_number(value) else "n/a"
    if unit.strip() == "points" and tables.is_number(value):
        shown = f"{value:+.1f}<small> points</small>"
    sure = "95%: {:.1f} to {:.1f}".format(*interval) if tables.is_interval(interval) else ""
    return f"<li><b>{shown}</b><span>{escape(label)}</span><small>{sure}</small></li>"


def all_tables(content: Mapping[str, Any]) -> str:
    parts = [tables.overall(content["overall"])] if content.get("overall") else []
    parts += [tables.group(key, rows) for key, rows in content.items() if key != "overall" and rows]
    return section("tables", "Figures", "".join(parts))


def all_curves(calibration: Mapping[str, Any]) -> str:
    """Reliability and coverage, each with its numbers in a table below."""
    parts = []
    if bins := calibration.get("reliability"):
        told = ""
        if tables.is_number(calibration.get("ece")):
            told = f" On average it is {calibration['ece']:.1f} points off."
        parts.append(
            f"<figure>{curves.reliability(bins)}<figcaption>Is it as often right as it is sure? On the dashed line it "
            f"would be; below it is too sure.{told}</figcaption>{numbers('Reliability', bins)}</figure>"
        )
    if points := calibration.get("selective"):
        parts.append(
            f"<figure>{curves.coverage(points)}<figcaption>If it answers only what it is surest of, more of the "
            f"answers are right.</figcaption>{numbers('Accuracy at coverage', points)}</figure>"
        )
    return section("confidence", "Does it know when it is right?", f'<div class="curves">{"".join(parts)}</div>', parts)


def numbers(caption: str, rows: list[Mapping[str, Any]]) -> str:
    """The numbers of a curve, folded away."""
    columns = list(rows[0])
    lines = [[f"{row[columns[0]]:,}", *(tables.cell(key, row.get(key)) for key in columns[1:])] for row in rows]
    shown = tables.table(f"{caption}: numbers", [tables.words(key) for key in columns], lines)
    return f"<details><summary>the numbers</summary>{shown}</details>"


def looking(results: Mapping[str, Any]) -> str:
    """Grounding and robustness, as far as they were measured."""
    parts = [tables.figures(key, content) for key, content in (results.get("grounding") or {}).items()]
    parts.append(tables.figures("robustness", results.get("robustness")))
    return section(
        "looking",
        "Does it look, and how easily is it shaken?",
        f'<div class="two">{"".join(parts)}</div>',
        "".join(parts),
    )


def section(identity: str, heading: str, content: str, there: object = True) -> str:
    """A part of the page; nothing if there is no content."""
    return f'<section id="{identity}"><h2>{heading}</h2>{content}</section>' if content and there else ""


def gallery_note(sample: Sample, made: Pictures) -> str:
    """What the gallery does not show, in sentences."""
    told = []
    if len(sample.shown) < sample.n:
        told.append(f"The figures are of all {sample.n:,} questions; here are {len(sample.shown):,} drawn at random.")
    if made.unreadable:
        told.append(f"{made.unreadable:,} of {len(made.of):,} photos could not be read and are not shown.")
    if made.left_out:
        told.append(f"{made.left_out:,} of {len(made.of):,} photos are not shown, to keep this file small.")
    return " ".join(told)


def made_with(results: Mapping[str, Any]) -> str:
    """What it takes to make the figures again."""
    rows = {"command": results.get("command"), "weights": results.get("weights"), "seed": results.get("seed")}
    rows |= results.get("environment") or {}
    lines = [[escape(str(key)), tables.plain(str(value))] for key, value in rows.items() if value is not None]
    return tables.table("What the figures were made with", ["", ""], lines) if lines else ""
