"""An answer on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vqa.model.answer import Answer
from vqa.show.heat import places


def caption(answer: Answer) -> str:
    """'dog (87 %), without looking: cat (12 %)'."""
    blind = answer.blind
    without = "" if blind is None else f", without looking: {blind.answer} ({blind.score:.0%})"
    return f"{answer.text} ({answer.confidence:.0%}){without}"


def show(question: str, answer: Answer) -> None:
    """Print an answer for a person."""
    best = Table.grid(padding=(0, 2))
    for name, score in answer.top:
        percent = Text(f"{score:.1%}", justify="right")
        best.add_row(Text(name), ProgressBar(total=1, completed=score, width=30), percent)
    notes = Table.grid(padding=(0, 2))
    if answer.blind is not None:
        notes.add_row("without looking", Text(f"{answer.blind.answer} ({answer.blind.score:.0%})"))
    if answer.words:
        notes.add_row("words", Text("  ".join(f"{word} {weight:.0%}" for word, weight in answer.words)))
    if answer.unknown_words:
        notes.add_row("words not known", Text(", ".join(answer.unknown_words)))
    notes.add_row("looked at", Text(places(answer.attention)))
    if answer.note:
        notes.add_row("note", Text(answer.note))
    notes.add_row("seconds", Text(", ".join(f"{name} {value:.2f}" for name, value in answer.seconds.items())))

    console = Console(highlight=False)
    headline = Text(f"{answer.text}  ({answer.confidence:.0%})", style="bold")
    for part in (Text(question, style="dim"), headline, "", best, "", notes, ""):
        console.print(part)


def numbered(name: str, count: int) -> list[Path]:
    """`out.png` for one picture; `out-1.png`, `out-2.png` … for several."""
    path = Path(name)
    return [path] if count == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(1, count + 1)]
