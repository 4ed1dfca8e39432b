"""Measure an epoch at the size of VQA v2 on a GPU, and photos a second end to end: `python -m tools.benchmark_gpu`.

Random questions and 8-bit grids lie on the device, so that no data set is needed. Prints seconds, rates and the most
memory in use.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from tools.benchmark import ANSWERS, WORDS, random_questions, trainer
from tools.timing import Figures, print_figures
from train.fitting.batches import photo_batches
from vqa.data.parallel import prefetch
from vqa.model.configuration import VQAConfig
from vqa.model.device import pick_device
from vqa.model.model import VQAModel
from vqa.script import run

SIZES: dict[str, Any] = {"hidden_size": 1024, "attention_size": 1024, "fusion_size": 2048}  # as in configs/vqa_v2.yaml


def measure(questions: int, batch_size: int, photos: int, device: str, image_size: int = 224) -> Figures:
    """Seconds of an epoch of so many questions, and of training with `photos` pixels a step; and gigabytes."""
    place = pick_device(device)
    data = random_questions(questions)
    labels = {i: str(i) for i in range(ANSWERS)}
    net = VQAModel(VQAConfig(vocab_size=WORDS, id2label=labels, image_size=image_size, **SIZES))
    net.to(place).train()  # type: ignore[arg-type]
    size = len(data.photos), math.prod(net.grid_size), net.image_encoder.channels
    grids = torch.randint(0, 256, size, dtype=torch.uint8, device=place)
    step = trainer(net)

    def epoch() -> None:
        chosen = photo_batches(data.photo, batch_size, np.random.default_rng(0))
        for batch in prefetch(map(data.batch, chosen)):
            rows = batch.pop("rows").to(place)
            del batch["mirror"]
            step(batch | {"grid": grids[rows].to(torch.bfloat16)})

    def end_to_end() -> None:
        for chosen in photo_batches(data.photo, photos)[:20]:
            batch = data.batch(chosen)
            del batch["mirror"]
            step(batch | {"pixel_values": torch.rand(len(batch.pop("rows")), 3, image_size, image_size)})

    def seconds(run: Callable[[], None]) -> float:
        start = time.perf_counter()
        run()
        if place.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    net.image_encoder.requires_grad_(False)
    first, second = seconds(epoch), seconds(epoch)
    net.image_encoder.requires_grad_(True)
    seen = sum(len(np.unique(data.photo[chosen])) for chosen in photo_batches(data.photo, photos)[:20])
    seconds(end_to_end)
    figures: Figures = {"first epoch, s": first, "epoch, s": second, "training, questions/s": questions / second}
    figures["end to end, photos/s"] = seen / seconds(end_to_end)
    with suppress(RuntimeError, AssertionError):  # only CUDA counts it
        figures["most memory, GB"] = torch.cuda.max_memory_allocated() / 1e9
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=int, default=443_757, help="in an epoch (default: VQA v2's)")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--photos", type=int, default=256, help="questions a step end to end (default: 256)")
    parser.add_argument("--device", default="auto")
    return run(parser, lambda o: print_figures(measure(o.questions, o.batch_size, o.photos, o.device)), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
