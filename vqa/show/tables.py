"""The figures of an evaluation on the terminal."""

from typing import Any

from rich.table import Table
from rich.text import Text

COLUMNS = ("model", "question_only", "image_only", "type_prior", "majority", "upper_bound")
COVERED = {"attended": "the most attended", "random": "a random one", "centre": "the middle"}
TITLES = {"exact": "exact match, %", "official": "official accuracy, %", "wups": "WUPS at 0.9, %"}


def table(content: dict[str, Any]) -> Table:
    """The chosen metric for all questions, each answer type and each source; the other metrics below."""
    tables, metric = content["tables"], {"wups": "wups_0.9"}.get(content["metric"], content["metric"])
    columns = [name for name in COLUMNS if name in tables["overall"]]
    shown = Table("questions", title=TITLES[content["metric"]])
    for name in ("n", *columns):
        shown.add_column(name.replace("_", " "), justify="right")

    def add(name: str, figures: dict[str, Any]) -> None:
        cells = (f"{figures[column]:.1f}" if column in figures else "" for column in columns)
        shown.add_row(Text(name), f"{figures['n']:,}", *cells)

    for name, row in (("all", tables["overall"]), *tables["by_answer_type"].items(), *tables["by_source"].items()):
        if (figures := row if metric == "exact" else row.get(metric)) is not None:
            add(name, figures)
    shown.add_section()
    overall = tables["overall"]
    for other, title in (("exact", "exact match"), ("official", "official metric")):
        figures = overall if other == "exact" else overall.get(other)
        if other != metric and figures is not None:
            add(title, figures)
    for level in ("0.9", "0.0"):
        if metric != f"wups_{level}" and (figures := overall.get(f"wups_{level}")) is not None:
            add(f"WUPS at {level}", figures)
    return shown


def remarks(content: dict[str, Any]) -> list[str]:
    """The further figures, a sentence each."""
    told, grounding = [], content.get("grounding", {})
    if swap := grounding.get("photo_swap"):
        low, high = swap["interval"]
        told.append(
            f"About other photos {swap['exact']:.1f}%: {swap['drop']:.1f} points lower (95% {low:.1f} to {high:.1f})."
        )
    if cover := grounding.get("deletion"):
        low, high = cover["centre_confidence_interval"]
        lost = [f"{name} {cover[f'drop_{kind}']:.1f}" for kind, name in COVERED.items()]
        told.append(
            f"Points lost with a part covered ({cover['n']:,} questions): {', '.join(lost)}; confidence falls by "
            f"{cover['confidence_excess']:.1f} points more than with a random part, by "
            f"{cover['centre_confidence_excess']:.1f} more than with the middle (95% {low:.1f} to {high:.1f})."
        )
    if (game := grounding.get("pointing")) and game["n"]:
        low, high = game["interval"]
        told.append(
            f"The attention peaks at what is asked in {game['hit']:.1f}% of {game['n']:,} questions "
            f"(95% {low:.1f} to {high:.1f}); an even map would in {game['uniform']:.1f}%."
        )
    if damage := content.get("robustness"):
        falls = [f"{name} {row['drop']:+.1f}" for name, row in damage["variants"].items() if row["n"]]
        told.append(f"Points lost on {damage['n']:,} questions: {', '.join(falls)}.")
    return told
