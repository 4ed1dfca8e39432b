"""Speed and memory on this machine: `make bench`. Ratios are measured side by side in one run; machines are noisy.

python -m tools.benchmark [--output bench.json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from tools.benchmark_runtimes import jpeg, runtimes
from tools.benchmark_text import text_models
from train.fitting.batches import Questions, photo_batches
from vqa.model.configuration import VQAConfig
from vqa.model.device import fast_dtype
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.photos import open_photo

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # BERT's
QUESTIONS, ANSWERS, WORDS, PLACES, CHANNELS = 2560, 1500, 8000, 49, 1280
# Lengths of human questions about COCO photos, in words: every hundredth of their distribution from 0 to 1.
LENGTHS = np.interp(np.linspace(0, 1, 101), [0, 0.05, 0.5, 0.9, 0.99, 1], [2, 4, 6, 10, 14, 22]).round().astype(int)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    figures: dict[str, float | str] = {
        "machine": f"{torch.get_num_threads()} threads of {torch.backends.cpu.get_cpu_capability()}",
        "precision": str(fast_dtype(torch.device("cpu"))).removeprefix("torch."),
    }
    for part in (training, lambda: text_models(LENGTHS), extraction, asking, runtimes, others):
        try:
            figures |= part()
        except InputError as error:
            print(error, file=sys.stderr)
    shown = Table("what", "figure")
    for name, value in figures.items():
        shown.add_row(name, f"{value:,.1f}" if isinstance(value, float) else str(value))
    Console().print(shown)
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def training() -> dict[str, float | str]:
    """Questions a second from 7 x 7 x 1280 features: our batches against a plain padded loop of the same model."""
    torch.manual_seed(0)
    questions, grids = made_up()
    config = VQAConfig(vocab_size=WORDS, id2label={i: str(i) for i in range(ANSWERS)})
    net = VQAModel(config).train()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in ("question_encoder", "attention", "fusion", "answer_head"))
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 1e-3, fused=True)
    native = fast_dtype(torch.device("cpu")) is torch.bfloat16  # elsewhere it is emulated, 20 times slower

    def step(batch: dict[str, Tensor]) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=native):
            loss = net(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def ours(chosen: np.ndarray) -> None:
        batch = questions.batch(chosen)
        rows = batch.pop("rows")
        del batch["mirror"]
        step(batch | {"grid": grids[rows]})

    def padded(chosen: np.ndarray) -> None:
        """As most published loops do it: a grid a question, questions padded to the longest of the data set."""
        batch = questions.batch(chosen)
        width = int(questions.lengths.max())
        mask = torch.arange(width) < questions.lengths[chosen][:, None]
        inputs = {"input_ids": questions.input_ids[chosen].long(), "attention_mask": mask.long()}
        step(inputs | {"grid": grids[questions.photo[chosen]], "labels": batch["labels"]})

    grouped = photo_batches(questions.photo, 256, np.random.default_rng(0))
    plain = np.array_split(np.random.default_rng(0).permutation(QUESTIONS), len(grouped))
    rates: dict[str, list[float]] = {"ours": [], "padded": []}
    for _, work, batches in (("ours", ours, grouped), ("padded", padded, plain)):
        work(batches[0])
    for mine, theirs in zip(grouped[:8], plain[:8], strict=True):  # taken in turn, as the machine's speed drifts
        for name, work, chosen in (("ours", ours, mine), ("padded", padded, theirs)):
            start = time.perf_counter()
            work(chosen)
            rates[name].append(len(chosen) / (time.perf_counter() - start))
    fast, slow = statistics.median(rates["ours"]), statistics.median(rates["padded"])
    return {"training, questions/s": fast, "padded loop, questions/s": slow, "ratio to the padded loop": fast / slow}


def made_up() -> tuple[Questions, Tensor]:
    """Random questions, with the lengths and the 4.4 questions a photo of COCO, and random 16-bit grids."""
    draw = np.random.default_rng(0)
    photos = round(QUESTIONS / 4.4)
    lengths = draw.choice(LENGTHS, QUESTIONS)
    questions = Questions(
        photos=[str(i) for i in range(photos)],
        photo=draw.integers(0, photos, QUESTIONS),
        input_ids=torch.from_numpy(draw.integers(2, WORDS, (QUESTIONS, lengths.max()))),
        lengths=torch.from_numpy(lengths),
        starts=np.arange(QUESTIONS + 1),
        labels=draw.integers(0, ANSWERS, QUESTIONS),
        scores=np.ones(QUESTIONS, np.float32),
        other_words=torch.arange(WORDS),
        other_answers=torch.arange(ANSWERS),
    )
    return questions, torch.rand(photos, PLACES, CHANNELS).bfloat16()


def extraction() -> dict[str, float | str]:
    """Photos a second from JPEG files to the store, and through the image encoder alone."""
    from train.extract_features import extract, list_photos
    from vqa.model.image_encoder import ImageEncoder
    from vqa.model.processing import VQAImageProcessor

    name = "timm:tf_efficientnet_lite0"
    encoder, processor = ImageEncoder(name, 224), VQAImageProcessor(224)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for i in range(96):
            (photos / f"{i}.jpg").write_bytes(jpeg(i))
        start = time.perf_counter()
        extract(list_photos([photos]), Path(folder) / "store", encoder, name, processor)
        rate = 96 / (time.perf_counter() - start)
    dtype = fast_dtype(torch.device("cpu"))
    encoder = encoder.to(dtype).to(memory_format=torch.channels_last).eval()
    pixels = torch.rand(32, 3, 224, 224).to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        alone = 32 / median_seconds(lambda: encoder(pixels), 3)
    return {"features, photos/s": rate, "image encoder alone, photos/s": alone}


def asking() -> dict[str, float | str]:
    """Milliseconds of the bundled model for a new photo and for the next question; also as an older CPU sees it."""
    figures: dict[str, float | str] = {}
    for title, isa in (("", None), (" (AVX2 only)", "AVX2")):
        environment = os.environ | ({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})
        output = subprocess.run(
            [sys.executable, "-c", "from tools.benchmark import ask_times; ask_times()"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if output.returncode:
            raise InputError(f"The bundled model could not be asked: {output.stderr.strip().splitlines()[-1]}")
        figures |= {f"{name}{title}": value for name, value in json.loads(output.stdout).items()}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(jpeg(0))
        command = [sys.executable, "-m", "vqa.cli", "ask", str(photo), "what is it?", "--json"]

        def run() -> None:
            subprocess.run(command, capture_output=True, check=True)

        run()
        figures["process start to first answer, s"] = median_seconds(run, 3)
    return figures


def ask_times() -> None:
    """Print the times as JSON; run in a process of its own, since oneDNN reads its settings once."""
    from vqa import VQA
    from vqa.captioning.describe import Describer

    vqa = VQA.load()
    fresh = iter([jpeg(i) for i in range(40)])
    questions = iter([f"what is on the {word}?" for word in ("table", "left", "right", "floor", "wall") * 40])
    for _ in range(3):
        vqa.ask(next(fresh), next(questions))
    photo = median_seconds(lambda: vqa.ask(next(fresh), next(questions)), 20)
    look = vqa.look(jpeg(99))
    question = median_seconds(lambda: vqa.ask(look, next(questions)), 50)
    describer = Describer.load(vqa=vqa)
    caption = median_seconds(lambda: describer.describe(next(fresh)), 15)
    times = {"ask, new photo": photo, "ask, same photo": question, "caption, new photo": caption}
    print(json.dumps({f"{name}, ms": 1000 * seconds for name, seconds in times.items()}))


def others() -> dict[str, float | str]:
    """Milliseconds of ViLT-B/32 and BLIP base behind our door; their weights are random, which changes no time."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForQuestionAnswering,
        BlipImageProcessor,
        BlipProcessor,
        ViltConfig,
        ViltForQuestionAnswering,
        ViltImageProcessor,
        ViltProcessor,
    )

    from vqa.foreign import blip, vilt

    words = ["what", "is", "it", "?"]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate([*SPECIAL, *words])})
    vilt_net = ViltForQuestionAnswering(ViltConfig(id2label={i: str(i) for i in range(3129)}))
    adapters: dict[str, Any] = {
        "ViLT-B/32": vilt.Adapter(vilt_net, ViltProcessor(ViltImageProcessor(), tokenizer)),
        "BLIP base": blip.Adapter(
            BlipForQuestionAnswering(BlipConfig()), BlipProcessor(BlipImageProcessor(), tokenizer)
        ),
    }
    figures: dict[str, float | str] = {}
    photo = open_photo(jpeg(0))
    for name, adapter in adapters.items():
        adapter.net.eval()
        with torch.inference_mode():
            seen = adapter.see(photo)
            photo_seconds = median_seconds(partial(adapter.see, photo), 3)
            question_seconds = median_seconds(partial(adapter.ask, seen, "what is it?", 5), 3)
        figures[f"{name}, new photo, ms"] = 1000 * (photo_seconds + question_seconds)
        figures[f"{name}, same photo, ms"] = 1000 * question_seconds
    return figures


def median_seconds(work: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    raise SystemExit(main())
