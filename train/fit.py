"""Train a model: encoders, attention, fusion and answer head, and beside them what honest answers need.

    python -m train.fit --config train/configs/coco.yaml [--optim.epochs 3] [--resume]
    torchrun --nproc-per-node 4 -m train.fit --config …           # several processes

Three phases, each a plain loop (`train.fitting.loop`): questions without photos teach the question encoder (only with
`data.text`); the model learns to answer; then, with everything else frozen, the question-only and image-only heads
learn to guess. At the end the confidence is calibrated, the validation questions are scored, and `best/` is complete.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from train.fitting.batches import Questions, photo_batches, plain_batches, share
from train.fitting.caption_words import Seeing, Seen
from train.fitting.distillation import ask_teachers
from train.fitting.finish import finish
from train.fitting.loop import Phase, Run
from train.fitting.pool import best_share, pool
from train.fitting.prepare import LoadPhotos, Task, prepare
from train.fitting.settings import Settings, parse
from train.fitting.state import read_facts
from train.fitting.tasks import Answering, SideHeads, Text
from train.fitting.weight_norm import add_weight_norm, fold_weight_norm
from vqa.model.device import fast_dtype
from vqa.model.errors import InputError

MODEL = ("question_encoder", "attention", "fusion", "answer_head")
JOINING = ("attention", "fusion", "answer_head")
HEADS = ("answer", "blind")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        fit(parse(arguments), show=print_figures)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command with --resume goes on from the last saved step.", file=sys.stderr)
        return 130
    return 0


def print_figures(content: dict[str, Any]) -> None:
    """The most important parts of `results.json`."""
    print(json.dumps({key: content[key] for key in ("n", "metrics", "baselines", "calibration")}, indent=1))


def fit(settings: Settings, show: Callable[[dict[str, Any]], None]) -> Path:
    """Run all phases; returns the folder of the finished checkpoint. show: gets the content of its `results.json`."""
    accelerator = Accelerator(mixed_precision=precision(settings.optim.precision))
    folder = Path(settings.output)
    resumed = check_folder(folder, settings)
    task = prepare(settings)
    if accelerator.is_main_process:
        print("\n".join(task.said))
    accelerator.wait_for_everyone()
    writer = SummaryWriter(folder / "logs") if accelerator.is_main_process else None
    log = writer.add_scalar if writer else lambda *_: None
    optim = settings.optim
    run = Run(folder, accelerator, optim, settings.seed, settings.save_seconds, settings.fingerprint(), log, resumed)
    task.net.to(accelerator.device)
    for phase in phases(task, settings, accelerator):
        run.run(phase)
    if writer:
        writer.close()
    if accelerator.is_main_process:
        if optim.pool:
            print(mix(task, optim.batch_size, accelerator.device))
        show(finish(task, settings, folder / "best"))
    accelerator.wait_for_everyone()
    return folder / "best"


def phases(task: Task, settings: Settings, accelerator: Accelerator) -> Iterator[Phase]:
    """The phases in their order; each is made when the one before is done, as it freezes other parts."""
    optim, data, net = settings.optim, settings.data, task.net
    process, processes = accelerator.process_index, accelerator.num_processes
    mirrors = data.mirrored is not None if data.features else optim.augment

    def text_batches(text: Questions, epoch: int) -> Iterator[dict[str, Tensor]]:
        order = np.random.default_rng((settings.seed, 1, epoch))
        for chosen in share(plain_batches(len(text), optim.batch_size, order), process, processes):
            batch = text.batch(chosen)
            yield {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}

    def plain(chosen: np.ndarray) -> dict[str, Tensor]:
        return load(task.train.batch(chosen), task.train_photos)

    def photo_question_batches(epoch: int) -> Iterator[dict[str, Tensor]]:
        order = np.random.default_rng((settings.seed, 2, epoch))
        batches = photo_batches(task.train.photo, optim.batch_size, order)
        for chosen in share(batches, process, processes):
            yield load(task.train.batch(chosen, order if mirrors else None), task.train_photos)

    def caption_batches(seen: Seen, epoch: int) -> Iterator[dict[str, Tensor]]:
        order = np.random.default_rng((settings.seed, 2, epoch))
        for chosen in share(seen.epoch(optim.batch_size, order), process, processes):
            yield load(seen.batch(*chosen, order if mirrors else None), task.train_photos)

    def evaluate(*heads: str):
        return lambda: holdout_scores(task, heads, optim.batch_size, accelerator.device)

    image_processor = task.processor.image_processor
    steps = len(photo_batches(task.train.photo, optim.batch_size)) // processes
    if task.text is not None and optim.text_epochs:
        text = Text(net, image_processor, ("question_encoder", "blind_head"))
        text_steps = -(-len(task.text) // optim.batch_size) // processes
        yield Phase("text", text, partial(text_batches, task.text), text_steps, optim.text_epochs)
    parts = MODEL if data.features else ("image_encoder", *MODEL)
    if optim.weight_norm:
        add_weight_norm(net, JOINING)
    batches_of = photo_question_batches
    if task.seen is None:
        answering = Answering(net, image_processor, parts)
    else:
        answering = Seeing(net, image_processor, parts, task.seen.labels, optim.caption_weight)
        batches_of = partial(caption_batches, task.seen)
    answering.augment, answering.trust = optim.augment, optim.trust
    if task.teachers:
        batches = photo_batches(task.train.photo, optim.batch_size)
        with accelerator.autocast():
            task.train.taught = ask_teachers(task.teachers, task.train.photo, batches, plain, accelerator.device)
    if optim.frozen_stages:
        answering.freeze(optim.frozen_stages)
    answering.to(accelerator.device)
    yield Phase(
        "model", answering, batches_of, steps, optim.epochs, evaluate("answer"),
        rate_of=lambda name: optim.encoder_rate if ".image_encoder." in name else 1.0,
    )  # fmt: skip
    fold_weight_norm(net)
    task.train.taught = None
    heads = SideHeads(net, image_processor, ("blind_head", "image_only_head"))
    scores = evaluate("blind", "image_only")
    yield Phase("heads", heads, photo_question_batches, steps, optim.head_epochs, scores, optim.head_patience)


def load(batch: dict[str, Tensor], photos: LoadPhotos) -> dict[str, Tensor]:
    """The batch with its photos in place of their numbers, mirrored where it says so."""
    return batch | photos(batch.pop("rows").numpy(), batch.pop("mirror").numpy())


def holdout_scores(task: Task, heads: Sequence[str], size: int, device: torch.device) -> dict[str, float]:
    """Mean soft score, in percent, of the best answer of each of the `heads` on the held-out questions."""
    total = dict.fromkeys(heads, 0.0)
    for logits, labels in holdout_logits(task, heads, size, device):
        for head in heads:
            total[head] += float(labels.gather(1, logits[head].argmax(1, keepdim=True)).sum())
    return {head: 100 * value / len(task.holdout) for head, value in total.items()}


def holdout_logits(
    task: Task, heads: Sequence[str], size: int, device: torch.device
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """For each batch of held-out questions the logits `(B, A)` of `heads`, and the labels `(B, A)`."""
    net = task.net
    for chosen in photo_batches(task.holdout.photo, size):
        asked = load(task.holdout.batch(chosen), task.holdout_photos)
        batch = {name: value.to(device) for name, value in asked.items()}
        grid = batch.get("grid")
        if grid is None:
            grid = net.encode_image(task.processor.image_processor.normalize(batch["squares"]))
        photo_index, logits = batch["photo_index"], {}
        question = net.question_encoder(batch["input_ids"], batch["attention_mask"]).vector
        if "answer" in heads:
            logits["answer"], _ = net.score(net.prepare(grid), question, photo_index)
        if "blind" in heads:
            logits["blind"] = net.blind_logits(question)
        if "image_only" in heads:
            logits["image_only"] = net.image_only_logits(grid)[photo_index]
        yield logits, batch["labels"]


@torch.no_grad()
def mix(task: Task, size: int, device: torch.device) -> str:
    """Mix the guess without the photo into the model's answer (see `train.fitting.pool`); returns a sentence."""
    task.net.eval()
    held = [(found["answer"], found["blind"], labels) for found, labels in holdout_logits(task, HEADS, size, device)]
    share = best_share(*(torch.cat(part) for part in zip(*held, strict=True)))
    task.net = pool(task.net, share)
    return f"The guess without the photo has a share of {share:.0%} in the answer, as held-out questions want it."


def precision(name: str) -> str:
    """accelerate's name of the precision; `auto` is bf16 where the device computes in it natively."""
    if name != "auto":
        return name
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bf16" if fast_dtype(device) is torch.bfloat16 else "no"


def check_folder(folder: Path, settings: Settings) -> dict | None:
    """The facts to resume from, or None for a new run. Raises `InputError` if the folder does not suit either."""
    if not settings.resume:
        if (folder / "last").exists():
            raise InputError(
                f"{folder} holds a run already; add --resume to go on with it, or choose another --output."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return None
    facts = read_facts(folder / "last")
    before, now = facts["fingerprint"], settings.fingerprint()
    for group in now:
        if before.get(group) != now[group]:
            raise InputError(
                f"The run in {folder} was started with other settings of '{group}'; resume it with the same ones."
            )
    return facts


if __name__ == "__main__":
    raise SystemExit(main())
