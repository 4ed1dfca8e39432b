"""Score captioners: write captions for photos that none of them was trained on, and compare them with people's.

    python -m train.caption_scores runs/caption-soft/best runs/caption-hard/best --output table.json

The scores also go into each captioner's results.json and card. They need Java and pycocoevalcap (the extra `eval`).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from train.captions.data import Batches, read_captions
from vqa.captioning.captioner import Captioner
from vqa.captioning.describe import KIND, build
from vqa.captioning.scores import Unscored, score_captions
from vqa.captioning.search import BEAM, beam_search
from vqa.captioning.words import SPECIAL, Words
from vqa.checkpoint.auxiliary import load_bundle
from vqa.checkpoint.find import read_json
from vqa.data.features import FeatureStore
from vqa.data.files import write_json
from vqa.model.errors import InputError

MEASURE, MEASURE_FEATURES = Path("../shared/data/flickr8k/captions_val.jsonl"), Path("features/flickr8k")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.caption_scores", description=__doc__.split("\n")[0])
    parser.add_argument("captioners", nargs="+", type=Path, metavar="FOLDER", help="what train.caption wrote as best/")
    parser.add_argument("--measure", type=Path, default=MEASURE, help="JSON lines with 'image' and 'captions'")
    parser.add_argument("--measure-features", type=Path, default=MEASURE_FEATURES, help="the photos' feature store")
    parser.add_argument("--output", type=Path, help="also write the scores of all as JSON")
    given = parser.parse_args(arguments)
    try:
        found = [score(folder, given.measure, given.measure_features) for folder in given.captioners]
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    names = [name for name, value in found[0]["measured"].items() if isinstance(value, float)]
    shown = Table("attention", *(results["attention"] for results in found))
    for name in names:
        shown.add_row(name, *(f"{results['measured'][name]:.1f}" for results in found))
    Console().print(shown)
    if given.output:
        write_json(given.output, [{"attention": r["attention"], **r["measured"]} for r in found])
    return 0


def score(folder: Path, file: Path, features: Path) -> dict[str, Any]:
    """Score the captioner in `folder` and put the scores into its results.json and card; returns the results."""
    net, config = load_bundle(folder, KIND, build)
    results = read_json(folder / "results.json")
    results["measured"] = measure(net, Words(config["words"]), file, features, config["most"])
    write_json(folder / "results.json", results)
    (folder / "README.md").write_text(card(results), encoding="utf-8")
    return results


def measure(net: Captioner, words: Words, file: Path, features: Path, most: int) -> dict[str, Any]:
    """The scores of the captions that beam search finds; only the reason where they cannot be had."""
    stores = [FeatureStore.open(features)]
    photos = read_captions([file], stores)
    texts: list[str] = []
    for grid in Batches(photos, stores, words, 50, most).in_order():
        found = beam_search(net, grid, BEAM, most)
        texts += [words.text(n for n in row if n >= SPECIAL) for row in found.words.tolist()]
    try:
        scores = score_captions(texts, [photo.captions for photo in photos])
    except Unscored as reason:
        return {"not scored": str(reason)}
    return {"photos": len(photos), "file": f"{file.parent.name}/{file.name}", "beam": BEAM, **scores}


def card(results: dict[str, Any]) -> str:
    """The model's README."""
    scores = results.get("measured", {})
    table = "".join(f"| {name} | {value} |\n" for name, value in scores.items() if isinstance(value, float))
    return (
        f"# Glimpse's captioner ({results['attention']} attention)\n\n"
        "An LSTM that writes a caption over the grid of Glimpse's image encoder (Xu et al. 2015), trained on "
        f"{results['photos']:,} photos with five captions each: COCO captions (CC BY 4.0; the photos have Flickr's "
        "terms) and Flickr8k (for research and teaching). No photo or caption is part of it.\n\n"
        f"On {scores.get('file', 'photos that it never saw')}, beam {BEAM}:\n\n| score | value |\n|---|---|\n{table}\n"
        "Made by `python -m train.caption` with the settings in `results.json`. It names common things and "
        "activities; it often errs on counts, colours and rare objects, and guesses people's gender from habits "
        "in its data.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
