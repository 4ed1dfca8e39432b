"""How far gradients reach, by cell, layers, forget bias, scale of the recurrent matrix and clipping.

    python -m train.gradient_flow --output runs/gradient_flow

Writes gradient_flow.json with every curve, and a picture (SVG) of each comparison. Nothing is trained: it is the first
gradient of a long copy task, whose loss is at the last step alone.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vqa.errors import InputError
from vqa.files import write_json
from vqa.inside.gradients import Flow, copy_task, reach
from vqa.inside.pictures import flow_chart

# Each comparison: its title, and the settings of `copy_task` by the name of the curve.
COMPARISONS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "plain": (
        "Plain RNN: the largest singular value of its matrix decides",
        {f"largest singular value {scale}": {"cell": "rnn", "scale": scale} for scale in (0.5, 0.9, 1.0, 1.5, 3.0)},
    ),
    "clipping": (
        "Clipping bounds the parameters' gradient, not the way back",
        {
            "RNN, largest singular value 3": {"cell": "rnn", "scale": 3.0},
            "the same, clipped to 1": {"cell": "rnn", "scale": 3.0, "clip": 1.0},
        },
    ),
    "forget": (
        "LSTM: an open forget gate keeps the gradient",
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
    "layers": (
        "LSTM (forget bias 1): last layer of 1 to 4",
        {f"{layers} layers": {"cell": "lstm", "layers": layers} for layers in (1, 2, 3, 4)},
    ),
}


def curve(flow: Flow) -> list[float]:
    """What a picture shows: of an LSTM the cell's gradient, which is the highway, else the hidden state's."""
    return (flow.c or flow.h)[-1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.gradient_flow", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("runs/gradient_flow"), help="a folder")
    parser.add_argument("--steps", type=int, default=100, help="of the copy task (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    shown = Table("cell", "first/last step", "largest singular value", "gradient", "clipped to")
    told: dict[str, Any] = {"steps": given.steps, "seed": given.seed, "comparisons": {}}
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        for name, (title, settings) in COMPARISONS.items():
            flows = {k: copy_task(steps=given.steps, seed=given.seed, **setting) for k, setting in settings.items()}
            chart = flow_chart({key: curve(flow) for key, flow in flows.items()}, title)
            (given.output / f"{name}.svg").write_text(chart, encoding="utf-8")
            told["comparisons"][name] = {
                "title": title,
                "curves": {key: {"settings": settings[key], **flow.to_dict()} for key, flow in flows.items()},
            }
            for key, flow in flows.items():
                clipped = "" if flow.clipped is None else f"{flow.clipped:.2g}"
                values = (reach(curve(flow)), max(flow.singular), flow.gradient)
                shown.add_row(key, *(f"{value:.2g}" for value in values), clipped)
            shown.add_section()
        write_json(given.output / "gradient_flow.json", told)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{given.output} cannot be written: {error.strerror}; choose another folder.", file=sys.stderr)
        return 2
    Console().print(shown)
    print(f"gradient_flow.json and {len(COMPARISONS)} pictures are in {given.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
