"""Compare ways to make a map of the attention of a model for image-text-to-text, by pointing and by deletion.

    python -m tools.foreign.attention --model MODEL --data questions.jsonl --images DIR --boxes boxes.jsonl

For each way it runs `vqa evaluate --boxes --deletion`. `vqa/foreign/image_text.py` uses the one that is best on the
model of docs/experiments.md. Keys and values are not reused here, as attention rollout needs the whole prompt's.
"""

import argparse
from collections.abc import Callable, Sequence
from unittest.mock import patch

import torch
from rich.console import Console
from torch import Tensor

from vqa.evaluation.command import evaluate
from vqa.evaluation.options import Options
from vqa.foreign.image_text import Adapter
from vqa.model.errors import InputError
from vqa.script import run


def mean_of(first: float, last: float = 1.0) -> Callable[[Sequence[Tensor]], Tensor]:
    """The last token's attention, the mean over heads and a part of the layers."""

    def attended(layers: Sequence[Tensor]) -> Tensor:
        chosen = layers[round(first * len(layers)) : max(1, round(last * len(layers)))]
        return torch.stack([layer[:, :, -1].float().mean(1) for layer in chosen]).mean(0)

    return attended


def rollout(layers: Sequence[Tensor]) -> Tensor:
    """Attention rollout (Abnar & Zuidema 2020): the product of all layers' (A + I) / 2, heads averaged; `(B, S)`."""
    row = layers[-1].new_zeros(len(layers[-1]), 1, layers[-1].shape[-1]).float()
    row[:, :, -1] = 1
    for layer in reversed(layers):
        row = (row @ layer.float().mean(1) + row) / 2
    return row[:, 0]


WAYS = {
    "last half of the layers": Adapter.attended,
    "last layer": lambda layers: mean_of(1 - 1 / len(layers))(layers),
    "all layers": mean_of(0),
    "first half of the layers": mean_of(0, 0.5),
    "attention rollout": rollout,
}


def compare(model: str, data: str, images: str, boxes: str, limit: int | None) -> None:
    """Print pointing and deletion of each way. Raises `InputError` as `evaluate`, and for a model of another kind."""
    silent = Console(quiet=True)
    for name, way in WAYS.items():
        with patch.object(Adapter, "attended", staticmethod(way)), patch.object(Adapter, "_goes_on", lambda *_: False):
            options = Options(data, model=model, images=images, boxes=boxes, limit=limit, deletion=limit or 10**9)
            found = (evaluate(options, silent) or {}).get("grounding", {})
        if "boxes" not in found:
            raise InputError(f"No question of {data} names something that has a box in {boxes}; give other questions.")
        print(f"{name}: {found['boxes']} {found['deletion']}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.foreign.attention", description=__doc__.split("\n")[0])
    for name in ("model", "data", "images", "boxes"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--limit", type=int, help="only the first so many questions")
    return run(parser, lambda given: compare(**vars(given)), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
