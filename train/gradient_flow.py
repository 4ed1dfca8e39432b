"""How far gradients reach, by cell, layers, forget bias, size of the recurrent matrix and clipping.

    python -m train.gradient_flow --output runs/gradient_flow                                # with generated questions
    python -m train.gradient_flow --questions questions.jsonl --output runs/gradient_flow    # with real ones

Writes gradient_flow.json with every curve, and charts (SVG). Nothing is trained: these are the first gradients of two
tasks whose loss is at the last step alone, a long copy task and answering questions.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from vqa.data.files import write_json
from vqa.inside.gradients import Flow, copy_task, of_one_length, question_task, reach
from vqa.inside.pictures import flow_chart
from vqa.inside.questions import readable_questions
from vqa.predict import VQA, ours
from vqa.script import run

CLIP = 1.0
SCALES, LAYERS = (0.9, 3.0), (1, 2, 3, 4)
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
                for scale, layers in product(SCALES, LAYERS)
            },
        )
        for name, cell in CELLS.items()
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.gradient_flow", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("runs/gradient_flow"), help="a folder")
    parser.add_argument("--steps", type=int, default=100, help="of the copy task (default: 100)")
    parser.add_argument("--questions", type=Path, help="JSON lines with the field 'question', or text, one a line")
    parser.add_argument("--model", help="whose word vectors are read (default: the bundled model)")
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, measure, arguments)


def measure(given: argparse.Namespace) -> None:
    """Run every comparison on both tasks; write their curves and charts, and print a table of each task."""
    given.output.mkdir(parents=True, exist_ok=True)
    vqa = ours(VQA.load(given.model))
    questions = of_one_length(vqa, readable_questions(vqa, given.questions, 2000)[0])
    tasks: dict[str, Callable[..., Flow]] = {
        "copy": partial(copy_task, steps=given.steps, seed=given.seed),
        "questions": partial(question_task, vqa, questions, seed=given.seed),
    }
    comparisons = {
        f"{task}-{name}": compare(name, tasks[task], given.output, task)
        for task, name in track(list(product(tasks, COMPARISONS)), "gradients", transient=True)
    }
    facts = {"steps": given.steps, "seed": given.seed, "questions": questions, "comparisons": comparisons}
    write_json(given.output / "gradient_flow.json", facts)
    for task in tasks:
        Console().print(table(comparisons, task))
    words = len(vqa.words(questions[0])[0])
    print(f"Copy task of {given.steps} steps; {len(questions)} questions of {words} words, such as {questions[0]!r}.")
    print(f"gradient_flow.json and {len(comparisons)} charts are in {given.output}")


def compare(name: str, run_task: Callable[..., Flow], output: Path, task: str) -> dict[str, Any]:
    """Run one comparison, draw its chart, and return its curves."""
    title, settings = COMPARISONS[name]
    flows = {key: run_task(**setting) for key, setting in settings.items()}
    curves = {}
    for key, flow in flows.items():
        scale = flow.clip_factor if name == "clipping" else 1  # the chart shows clipping only where it is compared
        curves[key] = [scale * value for value in (flow.c or flow.h)[-1]]
    (output / f"{task}-{name}.svg").write_text(flow_chart(curves, f"{title} ({task})"), encoding="utf-8")
    return {
        "title": title,
        "curves": {key: {"settings": settings[key], **flow.to_dict()} for key, flow in flows.items()},
    }


def table(comparisons: dict[str, dict[str, Any]], task: str) -> Table:
    """The gradient's ratio, first step to last, by layers (of an LSTM that of its cell); for 4 layers also the norm of
    the weights' gradient before and after clipping."""
    rendered = Table(title=f"{task}: first step's gradient / last step's")
    for column in ("cell", "singular value", *(f"{n} layers" for n in LAYERS), "norm", "clipped"):
        rendered.add_column(column, justify="left" if column == "cell" else "right", no_wrap=column == "cell")
    for name, scale in product(CELLS, SCALES):
        curves = comparisons[f"{task}-layers-{name}"]["curves"]
        rows = [curves[f"{layers} layers, {scale:g}"] for layers in LAYERS]
        numbers = (*(reach((row["c"] or row["h"])[-1]) for row in rows), rows[-1]["gradient"], rows[-1]["clipped"])
        rendered.add_row(name, f"{max(rows[-1]['singular']):.1f}", *(f"{number:.1g}" for number in numbers))
    return rendered


if __name__ == "__main__":
    raise SystemExit(main())
