"""Mean and standard deviation of every figure over runs that differ only in their seed.

    python -m tools.spread runs/seed1/best runs/seed2/best runs/seed3/best --output assets/evaluation/seeds.json

Reads each folder's `results.json`, of a training or of an evaluation; all must be about the same questions.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from vqa.data.files import write_json
from vqa.data.readers.text_files import read_document
from vqa.evaluation.answers.records import RESULTS
from vqa.model.errors import InputError
from vqa.script import run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.spread", description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help=f"folders with {RESULTS}")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")

    def command(given: argparse.Namespace) -> None:
        result = spread({folder / RESULTS: read_document(folder / RESULTS) for folder in given.runs})
        if given.output:
            write_json(given.output, result)
        print("| figure | mean | standard deviation | runs |\n|---|--:|--:|---|")
        for name, row in result["figures"].items():
            values = ", ".join(f"{value:.1f}" for value in row["values"])
            print(f"| {name} | {row['mean']:.1f} | {row['deviation']:.1f} | {values} |")

    return run(parser, command, arguments)


def spread(results: Mapping[Path, Any]) -> dict[str, Any]:
    """Every figure's values, mean and standard deviation (of the sample) over the runs, by its name.

    results: the contents of `results.json` files. Raises `InputError` for fewer than two, one without metrics, or runs
    about different questions.
    """
    for path, content in results.items():
        if not isinstance(content, dict) or not {"metrics", "n", "data"} <= content.keys():
            raise InputError(f"{path} has no metrics; name the folder of a finished run.")
    if len(results) < 2:
        raise InputError("One run has no deviation; give two or more.")
    if len({(content["n"], *content["data"]["files"]) for content in results.values()}) > 1:
        raise InputError("The runs are about different questions; give runs of one configuration.")
    runs = [figures(content) for content in results.values()]
    values = {name: [run[name] for run in runs] for name in runs[0] if all(name in run for run in runs)}
    statistics = {
        name: {"values": own, "mean": round(mean(own), 2), "deviation": round(stdev(own), 2)}
        for name, own in values.items()
    }
    return {"n": next(iter(results.values()))["n"], "runs": len(runs), "figures": statistics}


def figures(content: dict[str, Any]) -> dict[str, float]:
    """The figures of a run that were measured, by their names."""
    metrics, swap = content["metrics"], content.get("grounding", {}).get("photo_swap") or {}
    measured = {
        "exact": metrics["exact"],
        "official": metrics["official"],
        **metrics.get("by_answer_type", {}),
        **metrics.get("by_source", {}),
        "question only": content["baselines"]["question_only"],
        "lost when photos are swapped": swap.get("drop"),
        "calibration error (ECE)": content.get("calibration", {}).get("ece"),
    }
    return {name: value for name, value in measured.items() if value is not None}


if __name__ == "__main__":
    raise SystemExit(main())
