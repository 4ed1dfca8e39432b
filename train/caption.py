"""Train the captioner on the grids of the bundled model's image encoder, or of another --model.

    python -m train.caption --captions captions.jsonl --images photos --features features/mine --output runs/caption \
        --measure captions_val.jsonl --measure-features features/mine --attention soft

Photos of --images that are not yet in --features are encoded first; without it these stores are used as they are. At
the end the captions for --measure are scored, where Java and pycocoevalcap are installed. An interrupted run continues
with --resume. With --start it goes on from a finished captioner, such as that of an encoder that was trained further;
with --reward, too, it draws captions, and learns to write those that resemble people's most.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.auxiliary.options import add_options, holding, settings, start
from train.caption_scores import card, score
from train.captions.data import Batches, encode, read_captions
from train.captions.reward import RewardedTask
from train.fitting.loop import Batch, Task
from vqa.captioning.captioner import ATTENTIONS, Captioner
from vqa.captioning.describe import KIND, build
from vqa.captioning.objectives import caption_loss, word_scores
from vqa.captioning.words import Words
from vqa.checkpoint.auxiliary import find_bundle, load_bundle, save_bundle
from vqa.data.features import FeatureStore
from vqa.model.errors import InputError
from vqa.script import run

CLIP, WARMUP = 5.0, 0.02
HELD_OUT = 40  # one photo in so many is held out to choose the best epoch with
TEMPERATURES = [n / 20 for n in range(10, 61)]
MIXED = 0.5  # hard attention: how often a batch uses the whole distribution (Xu et al. 2015, section 4.1)


def main(arguments: Sequence[str] | None = None) -> int:
    return run(parser(), train, arguments)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.caption", description=__doc__.split("\n")[0])
    parser.add_argument("--attention", choices=ATTENTIONS, default="soft")
    parser.add_argument(
        "--captions", type=Path, nargs="+", required=True, help="JSON lines with 'image' and 'captions'"
    )
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="the feature store of each file of captions"
    )
    parser.add_argument("--images", type=Path, nargs="+", help="the folder of photos of each file of captions")
    parser.add_argument("--start", help="a captioner to go on from (or 'bundled'): its attention, sizes and words")
    parser.add_argument("--reward", action="store_true", help="learn from scores of its own captions (with --start)")
    parser.add_argument("--model", help="whose image encoder encodes them (default: the bundled model)")
    parser.add_argument("--measure", type=Path, required=True, help="JSON lines of photos to be scored on")
    parser.add_argument("--measure-features", type=Path, required=True, help="the feature store of these photos")
    parser.add_argument("--epochs", type=float, default=7.0)
    parser.add_argument("--batch", type=int, default=16, help="photos, each with five captions")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--min-count", type=int, default=5, help="rarer words are unknown")
    parser.add_argument("--most", type=int, default=20, help="words of a caption")
    return add_options(parser, rate=1e-3, average=0.999)


@holding
def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train, write the checkpoint to `output`/best, and return its results."""
    if given.reward and not given.start:
        raise InputError("--reward needs a captioner that has learned words; give it by --start.")
    if given.batch < 1:
        raise InputError(f"The batch is {given.batch}; give 1 photo or more.")
    if given.most < 1:
        raise InputError(f"--most is {given.most}; give 1 word or more.")
    training = start(given, CLIP, WARMUP)
    if len(given.features) != len(given.captions):
        raise InputError("--captions and --features have different lengths; give each file of captions its store.")
    if given.images:
        encode(given.images, given.features, given.model)
    stores = [FeatureStore.open(folder) for folder in given.features]
    if any(store.made_by != stores[0].made_by for store in stores):
        raise InputError("The feature stores were made by different image encoders; extract them with one.")
    every = read_captions(given.captions, stores)
    read_captions([given.measure], [FeatureStore.open(given.measure_features)])  # which are needed at the end
    photos, held = [photo for i, photo in enumerate(every) if i % HELD_OUT], every[::HELD_OUT]
    if not photos:
        raise InputError("One photo has captions; give 2 or more, as one is held out.")
    if given.start:
        place = find_bundle("caption", None if given.start == "bundled" else given.start)
        net, config = load_bundle(place, KIND, build)
        words = Words(config["words"])
    else:
        words = Words.build((caption for photo in photos for caption in photo.captions), given.min_count)
        config = {"attention": given.attention, "hidden": given.hidden, "channels": stores[0].channels}
        net = Captioner(words.size, **config)
    if stores[0].channels != config["channels"]:
        raise InputError(
            f"The captioner in {given.start} reads grids of {config['channels']} channels, but {stores[0].folder} has "
            f"{stores[0].channels}; start from another one."
        )
    if given.reward and net.attention == "hard":
        raise InputError("--reward does not train where hard attention looks; start from another captioner.")
    data, held_data = (Batches(part, stores, words, given.batch, given.most) for part in (photos, held))
    task = CaptionerTask(net, data, held_data, given.seed, given.epochs)
    results: dict[str, Any] = {"attention": config["attention"], "photos": len(photos)}
    if given.reward:
        rewarded = RewardedTask(net, data, held_data, words.once, given.seed, given.epochs)
        training.train(rewarded)
        task.net = net = rewarded.cpu().eval().between()
        task.calibrate()  # rewards make the words' probabilities too high
        before, after = (round(rewarded.mean_reward(captioner), 4) for captioner in (rewarded.start, net))
        results["held_out_reward"] = {"before": before, "after": after}
        print(f"Reward on held-out photos: {before:.3f} before, {after:.3f} after.")
    else:
        training.train(task)
        net.cpu().eval()
    loss = task.held_out()["nats a word"]
    results |= {"held_out_loss": round(loss, 4), "settings": settings(given)}
    config |= {"encoder": stores[0].made_by, "most": given.most, "temperature": net.temperature, "words": words.words}
    save_bundle(given.output / "best", KIND, config, net, results=results, README=card(results))
    results = score(given.output / "best", given.measure, given.measure_features)
    print(f"{loss:.3f} nats a word on {len(held)} held-out photos; {results['measured']}; {given.output / 'best'}")
    return results


class CaptionerTask(Task):
    """The captioner's loss (`vqa.captioning.objectives`). expected: the rewards' moving average of hard attention."""

    expected: Tensor
    name = "captioner"
    higher_is_better = False
    betas = (0.9, 0.99)

    def __init__(self, net: Captioner, data: Batches, held: Batches, seed: int, epochs: float):
        super().__init__()
        self.net, self.data, self.held, self.seed = net, data, held, seed
        self.steps, self.epochs = len(data), epochs
        self.register_buffer("expected", torch.zeros(data.most + 1))

    def batches(self, epoch: int) -> Iterator[Batch]:
        for number, chosen in enumerate(self.data.epoch(self.seed + epoch)):
            grid, captions = self.data.load(chosen, self.seed + epoch * self.steps + number)
            yield {"grid": grid, "captions": captions}

    def forward(self, grid: Tensor, captions: Tensor) -> Tensor:
        kind = self.net.attention
        if kind == "hard" and torch.rand(()).item() < MIXED:
            kind = "soft"
        written = self.net(grid, captions[..., :-1], sample=kind == "hard", whole=kind == "soft")
        return caption_loss(kind, written, captions, self.expected, penalise=self.net.attention == "soft")

    def held_out(self) -> dict[str, float]:
        return {"nats a word": self.nats([1.0])[1.0]}

    @torch.inference_mode()
    def nats(self, temperatures: Sequence[float]) -> dict[float, float]:
        """The mean negative log-probability of a held-out word if scores are divided by each of the temperatures."""
        device, total, count = next(self.net.parameters()).device, dict.fromkeys(temperatures, 0.0), 0
        for number, chosen in enumerate(self.held.epoch(0)):
            grid, captions = (part.to(device) for part in self.held.load(chosen, number))
            logits = self.net(grid, captions[..., :-1]).logits
            for temperature in temperatures:
                scores, valid = word_scores(logits / temperature, captions)
                total[temperature] -= float(scores.sum())
            count += int(valid.sum())
        return {temperature: value / count for temperature, value in total.items()}

    def calibrate(self) -> None:
        """Change the captioner's temperature so that the words of held-out captions are likeliest."""
        losses = self.nats(TEMPERATURES)
        self.net.temperature = round(self.net.temperature * min(losses, key=losses.__getitem__), 4)


if __name__ == "__main__":
    raise SystemExit(main())
