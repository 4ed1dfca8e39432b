"""Measure speed on this machine: `make bench`. Ratios compare alternatives that take turns.

python -m tools.benchmark [--output bench.json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tools.benchmark_runtimes import compare, runtimes
from tools.benchmark_text import text_models
from tools.timing import Figures, jpeg, machine, median_seconds, print_figures, seconds_in_turn
from train.fitting.batches import Questions, photo_batches
from vqa.data.files import write_json
from vqa.model.configuration import VQAConfig
from vqa.model.device import fast_dtype
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.script import run

QUESTIONS, ANSWERS, WORDS, PLACES, CHANNELS = 2560, 1500, 8000, 49, 1280
ROUNDS = 8
# Lengths of human questions about COCO photos, in words: every hundredth of their distribution from 0 to 1.
LENGTHS = np.interp(np.linspace(0, 1, 101), [0, 0.05, 0.5, 0.9, 0.99, 1], [2, 4, 6, 10, 14, 22]).round().astype(int)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    return run(parser, lambda given: benchmark(given.output), arguments)


def benchmark(output: Path | None) -> None:
    """Run every part; a part that cannot run is reported and left out."""
    dtype = str(fast_dtype(torch.device("cpu"))).removeprefix("torch.")
    figures: Figures = {"machine": machine(), "precision": dtype}
    for part in (training, lambda: text_models(LENGTHS), extraction, asking, runtimes, foreign):
        try:
            figures |= part()
        except InputError as error:
            print(error, file=sys.stderr)
    print_figures(figures)
    if output:
        write_json(output, figures)


def training() -> Figures:
    """Questions a second from 7 x 7 x 1280 features: our batches against a plain padded loop of the same model."""
    torch.manual_seed(0)
    questions = random_questions()
    grids = torch.rand(len(questions.photos), PLACES, CHANNELS).bfloat16()
    net = VQAModel(VQAConfig(vocab_size=WORDS, id2label={i: str(i) for i in range(ANSWERS)})).train()
    for part in (net.image_encoder, net.blind_head, net.image_only_head):
        part.requires_grad_(False)
    step = trainer(net)

    def ours(chosen: np.ndarray) -> None:
        batch = questions.batch(chosen)
        rows = batch.pop("rows")
        del batch["mirror"]
        step(batch | {"grid": grids[rows]})

    def padded(chosen: np.ndarray) -> None:
        """As in most published loops: a grid a question, questions padded to the longest of the data set."""
        mask = torch.arange(int(questions.lengths.max())) < questions.lengths[chosen][:, None]
        inputs = {"input_ids": questions.input_ids[chosen].long(), "attention_mask": mask.long()}
        step(inputs | {"grid": grids[questions.photo[chosen]], "labels": questions.batch(chosen)["labels"]})

    grouped = photo_batches(questions.photo, 256, np.random.default_rng(0))[: ROUNDS + 1]
    shuffled = np.array_split(np.random.default_rng(0).permutation(QUESTIONS), len(grouped))
    first, second = map(ours, grouped), map(padded, shuffled)
    seconds = seconds_in_turn({"ours": lambda: next(first), "padded": lambda: next(second)}, ROUNDS)
    fast = float(np.median([len(batch) for batch in grouped[1:]] / seconds["ours"]))
    slow = float(np.median([len(batch) for batch in shuffled[1:]] / seconds["padded"]))
    return {"training, questions/s": fast, "padded loop, questions/s": slow, "ratio to the padded loop": fast / slow}


def trainer(net: VQAModel) -> Callable[[dict[str, Tensor]], None]:
    """A function that trains the model on a batch, in bfloat16 where its device computes in it."""
    place, optimizer = net.device, torch.optim.AdamW(net.parameters(), 1e-3, fused=True)
    native = fast_dtype(place) is torch.bfloat16  # elsewhere it is emulated, 20 times slower

    def step(batch: dict[str, Tensor]) -> None:
        with torch.autocast(place.type, torch.bfloat16, enabled=native):
            loss = net(**{name: value.to(place, non_blocking=True) for name, value in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def random_questions(count: int = QUESTIONS) -> Questions:
    """Random questions, with the lengths and the 4.4 questions a photo of COCO."""
    rng = np.random.default_rng(0)
    photos = round(count / 4.4)
    lengths = rng.choice(LENGTHS, count)
    return Questions(
        photos=[str(i) for i in range(photos)],
        photo=rng.integers(0, photos, count),
        input_ids=torch.from_numpy(rng.integers(2, WORDS, (count, lengths.max()))),
        lengths=torch.from_numpy(lengths),
        starts=np.arange(count + 1),
        labels=rng.integers(0, ANSWERS, count),
        scores=np.ones(count, np.float32),
        other_words=torch.arange(WORDS),
        other_answers=torch.arange(ANSWERS),
    )


def extraction() -> Figures:
    """Photos a second from JPEG files to the store, and through the image encoder alone."""
    from train.extract_features import extract, list_photos
    from vqa.model.image_encoder import ImageEncoder
    from vqa.model.processing import VQAImageProcessor
    from vqa.runtimes.folded import FoldedEncoder

    name = "timm:tf_efficientnet_lite0"
    encoder = ImageEncoder(name, 224)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(96):
            Path(folder, f"{i}.jpg").write_bytes(jpeg(i))
        photos, stores = list_photos([Path(folder)]), (Path(folder, f"store{i}") for i in range(2))
        store = median_seconds(lambda: extract(photos, next(stores), encoder, name, VQAImageProcessor(224)), 1)
    dtype = fast_dtype(torch.device("cpu"))
    network = FoldedEncoder(encoder).to(dtype).to(memory_format=torch.channels_last)
    pixels = torch.rand(32, 3, 224, 224).to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        alone = median_seconds(lambda: network(pixels), 3)
    return {"features, photos/s": 96 / store, "image encoder alone, photos/s": 32 / alone}


def asking() -> Figures:
    """Milliseconds of the bundled model for a new photo and for the next question; also limited to AVX2."""
    figures: Figures = {}
    for title, isa in (("", None), (" (AVX2 only)", "AVX2")):
        environment = os.environ | ({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})
        output = subprocess.run(
            [sys.executable, "-c", "from tools.benchmark import print_ask_times; print_ask_times()"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if output.returncode:
            raise InputError(f"The bundled model could not be asked: {output.stderr.strip().splitlines()[-1]}")
        figures |= {f"{name}{title}": value for name, value in json.loads(output.stdout).items()}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(jpeg(0))
        command = [sys.executable, "-m", "vqa.cli", "ask", str(photo), "what is it?", "--json"]
        first = median_seconds(lambda: subprocess.run(command, capture_output=True, check=True), 3)
    return figures | {"process start to first answer, s": first}


def print_ask_times() -> None:
    """Print the times as JSON; in a process of its own, since oneDNN reads its settings once."""
    from vqa.captioning.describe import Describer
    from vqa.predict import VQA, ours

    vqa = ours(VQA.load())
    photos = iter([jpeg(i) for i in range(60)])
    questions = iter([f"what is on the {word}?" for word in ("table", "left", "right", "floor", "wall") * 40])
    new = median_seconds(lambda: vqa.ask(next(photos), next(questions)), 20)
    look = vqa.look(jpeg(99))
    same = median_seconds(lambda: vqa.ask(look, next(questions)), 50)
    describer = Describer.load(vqa=vqa)
    caption = median_seconds(lambda: describer.describe(next(photos)), 15)
    times = {"ask, new photo": new, "ask, same photo": same, "caption, new photo": caption}
    print(json.dumps({f"{name}, ms": 1000 * seconds for name, seconds in times.items()}))


def foreign() -> Figures:
    """The figures of `compare` for ViLT-B/32, BLIP base and the bundled model.

    The former have random weights, so that BLIP always writes its longest answer, of 20 tokens.
    """
    import transformers as hf

    from vqa.foreign import blip, vilt
    from vqa.foreign.model import ForeignVQA
    from vqa.predict import VQA

    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "on", "the", "table", "?")
    tokenizer = hf.BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    vilt_net = hf.ViltForQuestionAnswering(hf.ViltConfig(id2label={i: str(i) for i in range(3129)})).eval()
    vilt_adapter = vilt.Adapter(vilt_net, hf.ViltProcessor(hf.ViltImageProcessor(), tokenizer))
    blip_net = hf.BlipForQuestionAnswering(hf.BlipConfig()).eval()
    blip_adapter = blip.Adapter(blip_net, hf.BlipProcessor(hf.BlipImageProcessor(), tokenizer))
    models = {
        "ViLT-B/32": ForeignVQA(vilt_adapter, "ViLT-B/32", "vilt"),
        "BLIP base": ForeignVQA(blip_adapter, "BLIP base", "blip"),
        "bundled model": VQA.load(None, "cpu"),
    }
    return compare(models, "ViLT-B/32", rounds=3, calls=1)


if __name__ == "__main__":
    raise SystemExit(main())
