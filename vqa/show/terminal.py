"""Answers and figures in a terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vqa.model.errors import printable
from vqa.model.text import KINDS, Answer, places

COLUMNS = ("model", "question_only", "image_only", "type_prior", "majority", "upper_bound")
COVERED = {"attended": "the most attended", "random": "a random one", "centre": "the middle"}
TITLES = {"exact": "exact match, %", "official": "official accuracy, %", "wups": "WUPS at 0.9, %"}
OTHERS = {
    "exact": "exact match",
    "official": "official metric",
    "wups_0.9": "WUPS at 0.9",
    "wups_0.0": "WUPS at 0.0",
}
GUESSED = "a guess: the photo hardly mattered"


def said(answer: str, sure: bool) -> str:
    """The answer as it is stated to a person."""
    return answer if sure else f"not sure, perhaps {answer}"


def caption(result: dict[str, Any]) -> str:
    """'dog (87%), without looking: cat (12%)'; result: an `Answer.to_dict()`."""
    blind = result["blind"]
    without = f", without looking: {blind['answer']} ({blind['score']:.0%})" if blind else ""
    guessed = f"; {GUESSED}" if result["guess"] else ""
    return f"{said(result['answer'], result['sure'])} ({result['confidence']:.0%}){without}{guessed}"


def show(question: str, answer: Answer) -> None:
    """Print an answer for a person."""
    best = Table.grid(padding=(0, 2))
    for name, score in answer.top:
        percent = Text(f"{score:.1%}", justify="right")
        best.add_row(Text(printable(name)), ProgressBar(total=1, completed=score, width=30), percent)
    notes = Table.grid(padding=(0, 2))
    carried = "" if answer.glimpse is None else f"; glimpse {answer.glimpse + 1} carried the answer"
    for name, note in {
        "caution": GUESSED if answer.guess else "",
        "without looking": answer.blind and f"{answer.blind.answer} ({answer.blind.score:.0%})",
        "words": "  ".join(f"{word} {weight:.0%}" for word, weight in answer.words),
        "words not known": ", ".join(answer.unknown_words),
        "looked at": places(answer.attention) + (carried if len(answer.attention) > 1 else ""),
        "note": answer.note,
        "seconds": ", ".join(f"{name} {value:.2f}" for name, value in answer.seconds.items()),
    }.items():
        if note:
            notes.add_row(name, Text(printable(note)))

    console = Console(highlight=False)
    headline = Text(printable(f"{said(answer.text, answer.sure)}  ({answer.confidence:.0%})"), style="bold")
    for part in (Text(printable(question), style="dim"), headline, "", best, "", notes, ""):
        console.print(part)


def numbered(name: str, count: int) -> list[Path]:
    """`out.png` for one picture; `out-1.png`, `out-2.png` … for several."""
    path = Path(name)
    return [path] if count == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(1, count + 1)]


def figures_table(content: dict[str, Any]) -> Table:
    """The chosen metric for all questions, each answer type and each source; the other metrics below."""
    tables, metric = content["tables"], {"wups": "wups_0.9"}.get(content["metric"], content["metric"])
    columns = [name for name in COLUMNS if name in tables["overall"]]
    table = Table("questions", title=TITLES[content["metric"]])
    for name in ("n", *columns):
        table.add_column(name.replace("_", " "), justify="right")

    def add(name: str, figures: dict[str, Any]) -> None:
        cells = (f"{figures[column]:.1f}" if column in figures else "" for column in columns)
        table.add_row(Text(name), f"{figures['n']:,}", *cells)

    for name, row in (("all", tables["overall"]), *tables["by_answer_type"].items(), *tables["by_source"].items()):
        if (figures := row if metric == "exact" else row.get(metric)) is not None:
            add(name, figures)
    table.add_section()
    overall = tables["overall"]
    for other, title in OTHERS.items():
        figures = overall if other == "exact" else overall.get(other)
        if other != metric and figures is not None:
            add(title, figures)
    return table


def remarks(content: dict[str, Any]) -> list[str]:
    """A sentence for each further measurement."""
    lines, grounding = [], content.get("grounding", {})
    if (normalized := content["metrics"].get("official_normalized")) is not None:
        lines.append(
            f"Official accuracy {content['metrics']['official']:.2f}% as its own code computes it, {normalized:.2f}% "
            "with unanimous answers normalised, too, as some tools do."
        )
    if stated := content.get("sure"):
        whole, kinds = stated["all"], [f"{kind} {in_words(stated[kind])}" for kind in KINDS if kind in stated]
        lines.append(f"Stated as sure: {in_words(whole)} of {whole['n']:,} answers: {', '.join(kinds)}.")
    if swap := grounding.get("photo_swap"):
        low, high = swap["interval"]
        lines.append(
            f"About other photos {swap['exact']:.1f}%: {swap['drop']:.1f} points lower (95% {low:.1f} to {high:.1f})."
        )
    if cover := grounding.get("deletion"):
        low, high = cover["centre_confidence_interval"]
        lost = [f"{name} {cover[f'drop_{kind}']:.1f}" for kind, name in COVERED.items()]
        lines.append(
            f"Points lost with a part covered ({cover['n']:,} questions): {', '.join(lost)}; confidence falls by "
            f"{cover['confidence_excess']:.1f} points more than with a random part, by "
            f"{cover['centre_confidence_excess']:.1f} more than with the middle (95% {low:.1f} to {high:.1f})."
        )
    if (game := grounding.get("pointing")) and game["n"]:
        low, high = game["interval"]
        lines.append(
            f"The attention peaks at what is asked in {game['hit']:.1f}% of {game['n']:,} questions "
            f"(95% {low:.1f} to {high:.1f}); an even map would in {game['uniform']:.1f}%."
        )
    if boxes := grounding.get("boxes"):
        lines.append(in_boxes(boxes) if boxes["n"] else "No question names an object that has a box on its photo.")
    if damage := content.get("robustness"):
        falls = [f"{name} {row['drop']:+.1f}" for name, row in damage["variants"].items() if row["n"]]
        lines.append(f"Points lost on up to {damage['n']:,} questions: {', '.join(falls)}.")
    return lines


def in_boxes(boxes: dict[str, Any]) -> str:
    """`grounding.boxes` of `results.json` in a sentence."""
    peak, mass = boxes["peak_grown"], boxes["mass"]
    low, high = peak["above_middle_interval"]
    glimpses = [f"{glimpse['peak_grown']['attention']:.1f}%" for glimpse in boxes["glimpses"]]
    each = f" (glimpse by glimpse: {', '.join(glimpses)})" if glimpses else ""
    return (
        f"The attention peaks at a named object in {peak['attention']:.1f}%{each} of {boxes['n']:,} questions, "
        f"{peak['above_middle']:+.1f} points against the middle of the photo (95% {low:+.1f} to {high:+.1f}); an even "
        f"map would in {peak['even']:.1f}%. Of its weight {mass['attention']:.1f}% is in the boxes (middle "
        f"{mass['middle']:.1f}%, even map {mass['even']:.1f}%)."
    ) + (f" {boxes['unknown']:,} questions are about photos without boxes." if boxes["unknown"] else "")


def in_words(row: dict[str, Any]) -> str:
    """A row of `sure` in `results.json`: '120 (77.1% right)'."""
    return f"{row['sure']:,}" + ("" if row["right"] is None else f" ({row['right']:.1f}% right)")
