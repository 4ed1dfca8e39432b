"""Find the units of the bundled models that follow something nameable, and say how well.

    python -m train.find_cells                                     # over questions that the character model makes up
    python -m train.find_cells --questions questions.jsonl --output runs/cells

Both models are searched: the question encoder's units, word by word, and the character model's, letter by letter. Units
are chosen on one half of the different questions; the score is that on the other half.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from train.texts import some_questions
from vqa.data.files import write_json
from vqa.inside.search import Search, search_letters, search_questions
from vqa.language.complete import Completer
from vqa.model.errors import InputError
from vqa.predict import VQA


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.find_cells", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=Path, help="JSON lines with the field 'question', or text, one a line")
    parser.add_argument("--limit", type=int, default=2000, help="the first different questions (default: 2000)")
    parser.add_argument("--top", type=int, default=1, help="units a feature (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the halves")
    parser.add_argument("--model", help="a checkpoint's folder (default: the bundled one)")
    parser.add_argument("--complete", help="a folder of train.complete (default: the bundled one)")
    parser.add_argument("--output", type=Path, help="a folder for cells.json")
    given = parser.parse_args(arguments)
    try:
        vqa, completer = VQA.load(given.model), Completer.load(given.complete)
        questions, unreadable = some_questions(vqa, given.questions, given.limit)
        with Console(stderr=True).status(f"{len(questions):,} questions are read and every unit compared"):
            searches = {
                "question encoder": search_questions(vqa, questions, given.seed),
                "character model": search_letters(completer, questions, given.seed),
            }
        told: dict[str, Any] = {"questions": str(given.questions and given.questions.name), "seed": given.seed}
        for name, search in searches.items():
            rows, missing = ranking(search, given.top)
            told[name] = {"texts": len(search.texts), "steps": int(search.starts[-1]), "units": rows}
            Console().print(table(name, told[name]))
            if missing:
                print(f"Nowhere different in these questions: {', '.join(missing)}.")
        if unreadable:
            print(f"{unreadable:,} questions could not be read and were left out.")
        if given.output:
            given.output.mkdir(parents=True, exist_ok=True)
            write_json(given.output / "cells.json", told)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{given.output} cannot be written: {error.strerror}; choose another folder.", file=sys.stderr)
        return 2
    return 0


def ranking(search: Search, top: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The best units of each feature as rows, and the features that are the same at all steps."""
    rows: list[dict[str, Any]] = []
    missing = []
    for feature in search.features:
        try:
            best = search.best(feature, top)
        except InputError:
            missing.append(feature)
            continue
        measure = "AUC" if search.yes_or_no(feature) else "correlation"
        rows += [{"feature": feature, "measure": measure, **unit._asdict()} for unit in best]
    return rows, missing


def table(name: str, told: dict[str, Any]) -> Table:
    shown = Table(title=f"{name}: {told['texts']:,} questions, {told['steps']:,} steps")
    for column in ("feature", "unit", "is", "measure", "score", "where chosen"):
        shown.add_column(column, justify="right" if column in ("score", "where chosen") else "left")
    for row in told["units"]:
        unit = f"{row['name']} {row['unit']} of {row['layer'] + 1}"
        way = "high" if row["follows"] else "low"
        shown.add_row(row["feature"], unit, way, row["measure"], f"{row['score']:.3f}", f"{row['chosen']:.3f}")
    return shown


if __name__ == "__main__":
    raise SystemExit(main())
