"""Write measured figures between the markers of README.md and docs/figures.md, so that none is typed by hand.

    python -m tools.figures [--bench bench.json]

The tables of accuracy and robustness come from `assets/evaluation/results.json` (`vqa evaluate`), the variation between
seeds from `seeds.json` in the same folder (`tools.spread`), and the speed table from `make bench`.
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
PAGES = [Path("README.md"), Path("docs/figures.md")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--pages", type=Path, nargs="+", default=PAGES, metavar="PAGE", help="files with markers")
    parser.add_argument("--bench", type=Path, help="what python -m tools.benchmark --output wrote")
    arguments = parser.parse_args()
    try:
        results = read(RESULTS)
        bodies = {"accuracy": accuracy(results), "seeds": seeds(read(SEEDS)), "looking": looking(results)}
        if arguments.bench:
            bodies["speed"] = speed(read(arguments.bench))
        texts = {page: page.read_text(encoding="utf-8") for page in arguments.pages}
        for name, body in bodies.items():
            texts = fill(texts, name, body)
        for page, text in texts.items():
            page.write_text(text, encoding="utf-8")
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the command that makes it.") from error


def fill(texts: dict[Path, str], name: str, body: str) -> dict[Path, str]:
    """The pages' texts with `body` between the markers called `name`. Raises `InputError` if no page has them."""
    pattern = re.compile(rf"(<!-- figures: {name} -->\n).*?(<!-- /figures -->)", re.DOTALL)
    if not any(map(pattern.search, texts.values())):
        pages = ", ".join(map(str, texts))
        raise InputError(f"{pages} has no markers '<!-- figures: {name} -->' and '<!-- /figures -->'; add them.")
    return {page: pattern.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text) for page, text in texts.items()}


def accuracy(results: dict) -> str:
    """The bundled model's table, and one line with the official accuracy."""
    metrics = results["metrics"]
    files = ", ".join(results["data"]["files"])
    line = f"\nExact match of the bundled model and its baselines on `{files}`."
    if metrics["official"] is not None:
        line += f" Official accuracy on its {metrics['n_official']:,} ten-answer questions: {metrics['official']}."
    sure, best = results["calibration"], results["calibration"]["selective"][0]
    line += (
        f" Expected calibration error (ECE): {sure['ece']} points; of the {best['coverage']}% most confident answers, "
        f"{best['accuracy']:.0f}% are correct."
    )
    line += f"\n\nCommand: `{results['command']}`, revision {results['environment']['revision'][:10]}."
    return f"{table(results['tables'])}\n{line}"


def seeds(found: dict) -> str:
    """Mean and standard deviation over runs that differ only in their seed, in one sentence."""
    rows = (f"{name} {row['mean']:.1f} ± {row['deviation']:.1f}" for name, row in found["figures"].items())
    return f"Mean ± standard deviation of {found['runs']} runs that differ in their seed: {', '.join(rows)}."


def looking(results: dict) -> str:
    """Use of the photo and robustness: points of exact match lost, one row per modification."""
    grounding, damage = results["grounding"], results["robustness"]
    swap, cover = grounding["photo_swap"], grounding["deletion"]
    rows = [("different photo", results["n"], swap["drop"], swap["interval"])]
    names = {"attended": "attended region covered", "random": "random region covered", "centre": "centre covered"}
    for kind, name in names.items():
        rows.append((name, cover["n"], cover[f"drop_{kind}"], None))
    rows += [(name, row["n"], row["drop"], row["interval"]) for name, row in damage["variants"].items()]
    lines = ["| modification | questions | points lost | 95% interval |", "|---|--:|--:|--:|"]
    for name, n, drop, edges in rows:
        interval = "" if edges is None else f"{edges[0]:.1f} to {edges[1]:.1f}"
        lines.append(f"| {name} | {n:,} | {drop:.1f} | {interval} |")
    low, high = cover["centre_confidence_interval"]
    lines.append(
        f"\nCovering the attended region lowers the confidence by {cover['confidence_excess']:.1f} points more than "
        f"covering a random region, and by {cover['centre_confidence_excess']:.1f} (95% {low:.1f} to {high:.1f}) more "
        "than covering the centre, which is the fairer comparison: most photos have their subject there."
    )
    return "\n".join(lines)


def speed(figures: dict) -> str:
    """The output of `make bench`, one row per figure."""
    rows = (f"| {k} | {f'{v:,.1f}' if isinstance(v, float) else v} |" for k, v in figures.items())
    return "\n".join(("| `make bench` | |", "|---|--:|", *rows))


if __name__ == "__main__":
    raise SystemExit(main())
