"""Find the units of the bundled models that follow a nameable feature of the text, and score them.

    python -m train.find_cells                                     # over questions that the character model generates
    python -m train.find_cells --questions questions.jsonl --output runs/cells

Both models are searched: the question encoder's units, word by word, and the character model's, letter by letter. Units
are chosen on one half of the different questions and scored on the other half.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vqa.data.files import write_json
from vqa.inside.questions import readable_questions
from vqa.inside.search import Search, search_letters, search_questions
from vqa.language.complete import Completer
from vqa.model.errors import InputError
from vqa.predict import VQA, ours
from vqa.script import run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.find_cells", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=Path, help="JSON lines with the field 'question', or text, one a line")
    parser.add_argument("--limit", type=int, default=2000, help="the first different questions (default: 2000)")
    parser.add_argument("--top", type=int, default=1, help="units per feature (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the halves (default: 0)")
    parser.add_argument("--model", help="a checkpoint's folder (default: the bundled one)")
    parser.add_argument("--complete", help="a folder of train.complete (default: the bundled one)")
    parser.add_argument("--output", type=Path, help="a folder for cells.json")
    return run(parser, find_cells, arguments)


def find_cells(given: argparse.Namespace) -> None:
    """Search both models; print their tables, and write cells.json."""
    vqa, completer = ours(VQA.load(given.model)), Completer.load(given.complete)
    questions, unreadable = readable_questions(vqa, given.questions, given.limit)
    with Console(stderr=True).status(f"Comparing every unit over {len(questions):,} questions"):
        searches = {
            "question encoder": search_questions(vqa, questions, given.seed),
            "character model": search_letters(completer, questions, given.seed),
        }
    report: dict[str, Any] = {"questions": str(given.questions and given.questions.name), "seed": given.seed}
    for name, search in searches.items():
        units, constant = ranking(search, given.top)
        report[name] = {"texts": len(search.texts), "steps": int(search.starts[-1]), "units": units}
        Console().print(table(name, report[name]))
        if constant:
            print(f"The same at all steps of these questions: {', '.join(constant)}.")
    if unreadable:
        print(f"{unreadable:,} questions could not be read and were left out.")
    if given.output:
        given.output.mkdir(parents=True, exist_ok=True)
        write_json(given.output / "cells.json", report)


def ranking(search: Search, top: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The best units of each feature as rows, and the features that are the same at all steps."""
    rows: list[dict[str, Any]] = []
    constant = []
    for feature in search.features:
        measure = "AUC" if search.yes_or_no(feature) else "correlation"
        try:
            rows += [{"feature": feature, "measure": measure, **unit._asdict()} for unit in search.best(feature, top)]
        except InputError:
            constant.append(feature)
    return rows, constant


def table(name: str, report: dict[str, Any]) -> Table:
    """A row for each unit."""
    rendered = Table(title=f"{name}: {report['texts']:,} questions, {report['steps']:,} steps")
    for column in ("feature", "unit", "is", "measure", "score", "where chosen"):
        rendered.add_column(column, justify="right" if column in ("score", "where chosen") else "left")
    for row in report["units"]:
        unit = f"{row['name']} {row['unit']} of {row['layer'] + 1}"
        way = "high" if row["follows"] else "low"
        rendered.add_row(row["feature"], unit, way, row["measure"], f"{row['score']:.3f}", f"{row['chosen']:.3f}")
    return rendered


if __name__ == "__main__":
    raise SystemExit(main())
