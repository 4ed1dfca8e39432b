"""Train the captioner on the grids that the bundled image encoder makes, or that of another --model.

    python -m train.caption --images DATA/coco/photos DATA/flickr8k/photos --output runs/caption --attention soft

--images are encoded first, what of them is not yet in --features; without it these stores are taken as they are.
Photos of a batch share their grid among five captions. The run is saved every --part batches, and goes on from there
with --resume. At the end captions are written for --measure and scored, where Java and pycocoevalcap are there.
"""

import argparse
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.caption_scores import card, score
from train.captions.data import Batches, encode, held_out, read_captions
from train.fitting.small import Learning, add_options, command
from vqa.captioning.captioner import ATTENTIONS, Captioner
from vqa.captioning.describe import KIND
from vqa.captioning.objectives import Baseline, caption_loss, word_scores
from vqa.captioning.words import Words
from vqa.checkpoint.auxiliary import save_bundle
from vqa.data.features import FeatureStore
from vqa.model.device import pick_device
from vqa.model.errors import InputError

DATA = Path("../shared/data")
CLIP = 5.0
MIXED = 0.5  # hard attention: how often a batch uses the whole distribution (Xu et al. 2015, section 4.1)


def main(arguments: list[str] | None = None) -> int:
    return command(train, parser().parse_args(arguments))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m train.caption", description=__doc__.split("\n")[0])
    made.add_argument("--attention", choices=ATTENTIONS, default="soft")
    made.add_argument("--captions", type=Path, nargs="+", help="JSON lines with 'image' and 'captions'")
    made.add_argument("--features", type=Path, nargs="+", help="the feature store of each file of captions")
    made.add_argument("--images", type=Path, nargs="+", help="the folder of photos of each file of captions")
    made.add_argument("--model", help="whose image encoder encodes them (default: the bundled model)")
    made.add_argument("--measure", type=Path, required=True, help="JSON lines of photos to be scored on")
    made.add_argument("--measure-features", type=Path, required=True, help="the feature store of these photos")
    made.add_argument("--output", type=Path, required=True, help="a folder")
    made.add_argument("--epochs", type=float, default=7.0)
    made.add_argument("--batch", type=int, default=16, help="photos; each brings five captions")
    made.add_argument("--hidden", type=int, default=512)
    made.add_argument("--min-count", type=int, default=5, help="rarer words are unknown")
    made.add_argument("--most", type=int, default=20, help="words of a caption")
    add_options(made, part=200, rate=1e-3, average=0.999)
    made.set_defaults(
        captions=[DATA / "coco/captions_train.jsonl", DATA / "flickr8k/captions_train.jsonl"],
        features=[Path("features/coco"), Path("features/flickr8k")],
    )
    return made


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return what it reached."""
    torch.manual_seed(given.seed)
    device = pick_device(given.device)
    if len(given.features) != len(given.captions):
        raise InputError("--captions and --features have different lengths; give each file of captions its store.")
    if given.images:
        encode(given.images, given.features, given.model)
    stores = [FeatureStore.open(folder) for folder in given.features]
    if any(store.made_by != stores[0].made_by for store in stores):
        raise InputError("The feature stores were made by different image encoders; extract them with one.")
    photos, chosen = held_out(read_captions(given.captions, stores))
    words = Words.build((caption for photo in photos for caption in photo.captions), given.min_count)
    batches = Batches(photos, stores, words, given.batch, given.most)
    config = {"attention": given.attention, "hidden": given.hidden, "channels": stores[0].channels}
    net = Captioner(words.size, **config).to(device)
    baseline = Baseline(given.most + 1)
    skipped = ("resume", "output", "device", "part", "measure", "measure_features", "images", "model")
    settings = {name: plain(value) for name, value in vars(given).items() if name not in skipped}
    learning = Learning(net, given, device, settings, CLIP, betas=(0.9, 0.99))
    if given.resume:
        baseline.value = torch.tensor(learning.facts["baseline"])
    epoch = lru_cache(1)(batches.epoch)

    def losses(step: int) -> tuple[Tensor, float]:
        passed, number = divmod(step, len(batches))
        chosen = epoch(given.seed + passed)[number]
        grid, captions = (x.to(device) for x in batches.load(chosen, given.seed + step))
        # Every step's choice is its own number's, so that a resumed run repeats the whole one.
        torch.manual_seed(given.seed * 1_000_003 + step)
        kind = given.attention
        if kind == "hard" and torch.rand(()).item() < MIXED:
            kind = "soft"
        with learning.fast():
            written = net(grid, captions[..., :-1], sample=kind == "hard", whole=kind == "soft")
            loss = caption_loss(kind, written, captions, baseline, penalise=given.attention == "soft")
        return loss.total, loss.words.item()

    seconds = learning.run(
        max(1, round(given.epochs * len(batches))),
        losses,
        say=lambda shown: f"{shown:.3f} a word",
        warmup=100,
        facts=lambda: {"baseline": baseline.value.tolist()},
    )
    held = word_loss(net, Batches(chosen, stores, words, given.batch, given.most))
    results: dict[str, Any] = {"attention": given.attention, "held_out_loss": round(held, 4), "photos": len(photos)}
    results |= {"seconds": round(seconds), "settings": settings}
    config |= {"encoder": stores[0].made_by, "most": given.most, "words": words.words}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results))
    results = score(given.output / "best", given.measure, given.measure_features)
    print(f"{held:.3f} a word on {len(chosen)} photos held out; {results['measured']}; {given.output / 'best'}")
    return results


def plain(value: Any) -> Any:
    """A setting as JSON holds it: paths as text."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


@torch.inference_mode()
def word_loss(net: Captioner, batches: Batches) -> float:
    """The mean negative log-probability of a word."""
    total, count = 0.0, 0
    for number, chosen in enumerate(batches.epoch(0)):
        grid, captions = batches.load(chosen, number)
        scores, valid = word_scores(net(grid, captions[..., :-1]).logits, captions)
        total, count = total - float(scores.sum()), count + int(valid.sum())
    return total / count


if __name__ == "__main__":
    raise SystemExit(main())
