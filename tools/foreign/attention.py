"""Compare ways to make a map of the attention of a model for image-text-to-text, by pointing and by deletion.

    python -m tools.foreign.attention --model MODEL --data questions.jsonl --images DIR --boxes boxes.jsonl

For each way it runs `vqa evaluate --boxes --deletion`; docs/experiments.md has the figures of one model. Keys and
values are not reused here, as attention rollout needs the whole prompt's.
"""

import argparse
from collections.abc import Sequence
from unittest.mock import patch

from rich.console import Console
from torch import Tensor

from vqa.evaluation.command import evaluate
from vqa.evaluation.options import Options
from vqa.foreign.image_text import Adapter, last_token
from vqa.model.errors import InputError
from vqa.script import run


def rollout(layers: Sequence[Tensor]) -> Tensor:
    """Attention rollout (Abnar & Zuidema 2020): the product of all layers' (A + I) / 2, heads averaged; `(B, S)`."""
    row = layers[-1].new_zeros(len(layers[-1]), 1, layers[-1].shape[-1]).float()
    row[:, :, -1] = 1
    for layer in reversed(layers):
        row = (row @ layer.float().mean(1) + row) / 2
    return row[:, 0]


WAYS = {
    "last half of the layers": Adapter.attended,
    "last layer": lambda layers: last_token(layers[-1:]),
    "all layers": last_token,
    "first half of the layers": lambda layers: last_token(layers[: max(1, round(len(layers) / 2))]),
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
