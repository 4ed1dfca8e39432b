"""How far gradients reach, by cell, layers, forget bias, size of the recurrent matrix and clipping.

    python -m train.gradient_flow --output runs/gradient_flow                             # and on made-up questions
    python -m train.gradient_flow --questions questions.jsonl --output runs/gradient_flow     # and on real ones

Writes gradient_flow.json with every curve, and pictures (SVG). Nothing is trained: it is the first gradient of two
tasks whose loss is at the last step alone, a long copy task and questions to be answered.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from train.texts import some_questions
from vqa.data.files import write_json
from vqa.inside.gradients import Flow, copy_task, of_one_length, question_task, reach
from vqa.inside.pictures import flow_chart
from vqa.model.errors import InputError
from vqa.predict import VQA

CLIP = 1.0
SCALES = (0.9, 3.0)
CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "gru": {"cell": "gru"},
    "lstm-bias-0": {"cell": "lstm", "forget_bias": 0.0},
    "lstm-bias-1": {"cell": "lstm", "forget_bias": 1.0},
}
# Each comparison: its title, and the settings of a task by the name of the curve.
COMPARISONS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "plain": (
        "Plain RNN: the largest singular value of its matrix decides",
        {f"largest singular value {scale}": {"cell": "rnn", "scale": scale} for scale in (0.5, 0.9, 1.0, 1.5, 3.0)},
    ),
    "clipping": (
        "Clipping bounds what an explosion adds to the weights' gradient",
        {
            "RNN, largest singular value 3": {"cell": "rnn", "scale": 3.0},
            "the same, clipped to 1": {"cell": "rnn", "scale": 3.0, "clip": CLIP},
        },
    ),
    "forget": (
        "LSTM's cell: an open forget gate keeps the gradient",
        {f"forget bias {bias}": {"cell": "lstm", "forget_bias": float(bias)} for bias in (0, 1, 2, 4)},
    ),
    "cells": (
        "The three cells",
        {
            "RNN": {"cell": "rnn", "scale": 0.9},
            "GRU": {"cell": "gru"},
            "LSTM, forget bias 1": {"cell": "lstm"},
            "LSTM, forget bias 4": {"cell": "lstm", "forget_bias": 4.0},
        },
    ),
    **{
        f"layers-{name}": (
            f"{name.replace('-', ', ', 1).replace('-', ' ')}: 1 to 4 layers, largest singular value 0.9 or 3",
            {
                f"{layers} layers, {scale:g}": {**cell, "layers": layers, "scale": scale, "clip": CLIP}
                for scale, layers in product(SCALES, (1, 2, 3, 4))
            },
        )
        for name, cell in CELLS.items()
    },
}


def curve(flow: Flow) -> list[float]:
    """Of an LSTM the last layer's cell, which is the highway, else its hidden state."""
    return (flow.c or flow.h)[-1]


def compare(name: str, task: Callable[..., Flow], output: Path, where: str) -> dict[str, Any]:
    """Run one comparison, draw it, and return its curves."""
    title, settings = COMPARISONS[name]
    flows = {key: task(**setting) for key, setting in settings.items()}
    # Only where it is what is compared does a picture show what clipping leaves.
    drawn = {
        k: [value * (flow.kept if name == "clipping" else 1) for value in curve(flow)] for k, flow in flows.items()
    }
    (output / f"{where}-{name}.svg").write_text(flow_chart(drawn, f"{title} ({where})"), encoding="utf-8")
    return {
        "title": title,
        "curves": {key: {"settings": settings[key], **flow.to_dict()} for key, flow in flows.items()},
    }


def table(told: dict[str, dict[str, Any]], where: str) -> Table:
    """What is left at the first step, by layers; for 4 layers the weights' gradient before and after clipping."""
    shown = Table(title=f"{where}: first step's gradient / last step's")
    columns = ("cell", "singular value", *(f"{n} layers" for n in (1, 2, 3, 4)), "norm", "clipped")
    for column in columns:
        shown.add_column(column, justify="left" if column == "cell" else "right", no_wrap=column == "cell")
    for name, scale in product(CELLS, SCALES):
        curves = told[f"{where}-layers-{name}"]["curves"]
        rows = [curves[f"{layers} layers, {scale:g}"] for layers in (1, 2, 3, 4)]
        left = [reach((row["c"] or row["h"])[-1]) for row in rows]
        numbers = (*left, rows[-1]["gradient"], rows[-1]["clipped"])
        shown.add_row(name, f"{max(rows[-1]['singular']):.1f}", *(f"{number:.1g}" for number in numbers))
    return shown


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.gradient_flow", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("runs/gradient_flow"), help="a folder")
    parser.add_argument("--steps", type=int, default=100, help="of the copy task (default: 100)")
    parser.add_argument("--questions", type=Path, help="JSON lines with the field 'question', or text, one a line")
    parser.add_argument("--model", help="whose word vectors are read (default: the bundled model)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        vqa = VQA.load(given.model)
        questions = of_one_length(vqa, some_questions(vqa, given.questions, 2000)[0])
        tasks: dict[str, Callable[..., Flow]] = {
            "copy": partial(copy_task, steps=given.steps, seed=given.seed),
            "questions": partial(question_task, vqa, questions, seed=given.seed),
        }
        todo = list(product(tasks, COMPARISONS))
        told = {
            f"{where}-{name}": compare(name, tasks[where], given.output, where)
            for where, name in track(todo, "gradients", transient=True)
        }
        facts = {"steps": given.steps, "seed": given.seed, "questions": questions, "comparisons": told}
        write_json(given.output / "gradient_flow.json", facts)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{given.output} cannot be written: {error.strerror}; choose another folder.", file=sys.stderr)
        return 2
    for where in tasks:
        Console().print(table(told, where))
    words = len(vqa.processor.words(questions[0])[0])
    print(f"Copy task of {given.steps} steps; {len(questions)} questions of {words} words, such as {questions[0]!r}.")
    print(f"gradient_flow.json and {len(todo)} pictures are in {given.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
