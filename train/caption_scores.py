"""Score captioners on photos that they were not trained on, by comparing their captions with those of people.

    python -m train.caption_scores runs/caption-soft/best runs/caption-hard/best \
        --measure captions_val.jsonl --measure-features features/val --output table.json

The scores also go into each captioner's results.json and card. They require Java and pycocoevalcap (the extra `eval`).
"""

import argparse
from collections.abc import Sequence
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
from vqa.script import run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.caption_scores", description=__doc__.split("\n")[0])
    parser.add_argument("captioners", nargs="+", type=Path, metavar="FOLDER", help="best/ of a run of train.caption")
    parser.add_argument("--measure", type=Path, required=True, help="JSON lines with 'image' and 'captions'")
    parser.add_argument("--measure-features", type=Path, required=True, help="the photos' feature store")
    parser.add_argument("--output", type=Path, help="also write all scores as JSON")
    return run(parser, compare, arguments)


def compare(given: argparse.Namespace) -> None:
    """Score every captioner, and print their scores side by side."""
    results = [score(folder, given.measure, given.measure_features) for folder in given.captioners]
    table = Table("attention", *(result["attention"] for result in results))
    for name, value in results[0]["measured"].items():
        if isinstance(value, float):
            table.add_row(name, *(f"{result['measured'][name]:.1f}" for result in results))
    Console().print(table)
    if given.output:
        write_json(given.output, [{"attention": result["attention"], **result["measured"]} for result in results])


def score(folder: Path, file: Path, features: Path) -> dict[str, Any]:
    """Score the captioner in `folder` and put the scores into its results.json and card; returns the results."""
    net, config = load_bundle(folder, KIND, build)
    results = read_json(folder / "results.json")
    results["measured"] = measure(net, Words(config["words"]), file, features, config["most"])
    write_json(folder / "results.json", results)
    (folder / "README.md").write_text(card(results), encoding="utf-8")
    return results


def measure(net: Captioner, words: Words, file: Path, features: Path, most: int) -> dict[str, Any]:
    """The scores of the captions that beam search finds, or the reason why they cannot be computed."""
    stores = [FeatureStore.open(features)]
    photos = read_captions([file], stores)
    written: list[str] = []
    for grid in Batches(photos, stores, words, 50, most).in_order():
        rows = beam_search(net, grid, BEAM, most, words.once).ids[:, 0].tolist()
        written += [words.text(n for n in row if n >= SPECIAL) for row in rows]
    try:
        scores = score_captions(written, [photo.captions for photo in photos])
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
        f"Scores on {scores.get('file', 'photos outside of its training data')}, beam {BEAM}:\n\n"
        f"| score | value |\n|---|---|\n{table}\n"
        "Trained by `python -m train.caption` with the settings in `results.json`. It names common things and "
        "activities; it often errs on counts, colours and rare objects, and guesses people's gender from habits "
        "in its data.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
