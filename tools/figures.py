"""Put measured figures between the README's markers, so that none is typed in.

    python -m tools.figures [--bench bench.json]

The tables of accuracy and of looking come from `assets/evaluation/results.json`, which `vqa evaluate` wrote, the line
about seeds from `seeds.json` beside it, by `tools.spread`, the speed table from `make bench`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from vqa.checkpoint.card import table
from vqa.model.errors import InputError

RESULTS = Path("assets/evaluation/results.json")
SEEDS = Path("assets/evaluation/seeds.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--bench", type=Path, help="what python -m tools.benchmark --output wrote")
    arguments = parser.parse_args()
    try:
        text = arguments.readme.read_text(encoding="utf-8")
        results = read(RESULTS)
        text = fill(text, "accuracy", accuracy(results))
        text = fill(text, "seeds", seeds(read(SEEDS)))
        text = fill(text, "looking", looking(results))
        if arguments.bench:
            text = fill(text, "speed", speed(read(arguments.bench)))
        arguments.readme.write_text(text, encoding="utf-8")
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the command that makes it.") from error


def fill(text: str, name: str, body: str) -> str:
    """`text` with `body` between the markers called `name`. Raises `InputError` where there are none."""
    pattern = re.compile(rf"(<!-- figures: {name} -->\n).*?(<!-- /figures -->)", re.DOTALL)
    if not pattern.search(text):
        raise InputError(f"The README has no markers '<!-- figures: {name} -->' and '<!-- /figures -->'; add them.")
    return pattern.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text)


def accuracy(results: dict) -> str:
    """The bundled model's table, and one line with the official accuracy."""
    metrics = results["metrics"]
    files = ", ".join(results["data"]["files"])
    line = f"\nExact match of the bundled model and its baselines on `{files}`."
    if metrics["official"] is not None:
        line += f" Official accuracy on its {metrics['n_official']:,} ten-answer questions: {metrics['official']}."
    sure, best = results["calibration"], results["calibration"]["selective"][0]
    line += (
        f" Confidence is {sure['ece']} points off on average (ECE); of the surest {best['coverage']}% of the answers "
        f"{best['accuracy']:.0f}% are right."
    )
    line += f"\n\nBy `{results['command']}`, revision {results['environment']['revision'][:10]}."
    return f"{table(results['tables'])}\n{line}"


def seeds(found: dict) -> str:
    """What runs that differ in their seed have in common, in one sentence."""
    rows = (f"{name} {row['mean']:.1f} ± {row['deviation']:.1f}" for name, row in found["figures"].items())
    return f"Mean ± standard deviation of {found['runs']} runs that differ in their seed: {', '.join(rows)}."


def looking(results: dict) -> str:
    """Whether it looks, and how it bears damages: points of exact match lost, a row each."""
    grounding, damage = results["grounding"], results["robustness"]
    swap, cover = grounding["photo_swap"], grounding["deletion"]
    rows = [("the photo is another one", results["n"], swap["drop"], swap["interval"])]
    names = {"attended": "the most attended region is covered", "random": "a random region is covered"}
    for kind, name in (names | {"centre": "the middle is covered"}).items():
        rows.append((name, cover["n"], cover[f"drop_{kind}"], None))
    rows += [(name, row["n"], row["drop"], row["interval"]) for name, row in damage["variants"].items()]
    lines = ["| if | questions | points lost | 95% interval |", "|---|--:|--:|--:|"]
    for name, n, drop, edges in rows:
        told = "" if edges is None else f"{edges[0]:.1f} to {edges[1]:.1f}"
        lines.append(f"| {name} | {n:,} | {drop:.1f} | {told} |")
    low, high = cover["centre_confidence_interval"]
    lines.append(
        f"\nCovering what it attended to lowers its confidence by {cover['confidence_excess']:.1f} points more than "
        f"covering a random region, and by {cover['centre_confidence_excess']:.1f} (95% {low:.1f} to {high:.1f}) more "
        "than covering the middle, which is the fairer comparison: photos have their subject there."
    )
    return "\n".join(lines)


def speed(figures: dict) -> str:
    """What `make bench` measured, a row each."""
    rows = (f"| {k} | {f'{v:,.1f}' if isinstance(v, float) else v} |" for k, v in figures.items())
    return "\n".join(("| `make bench` | |", "|---|--:|", *rows))


if __name__ == "__main__":
    raise SystemExit(main())
