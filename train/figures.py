"""Put measured figures between the README's markers, so that none is typed in.

    python -m train.figures [--bench bench.json]

The accuracy table comes from `assets/model/results.json`, the speed table from `make bench`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from train.card import table
from vqa.errors import InputError

RESULTS = Path("assets/model/results.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.add_argument("--bench", type=Path, help="what python -m train.benchmark --output wrote")
    arguments = parser.parse_args()
    try:
        text = arguments.readme.read_text(encoding="utf-8")
        text = fill(text, "accuracy", accuracy(read(RESULTS)))
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
    return f"{table(results['tables'])}\n{line}"


def speed(figures: dict) -> str:
    """What `make bench` measured, a row each."""
    rows = (f"| {k} | {f'{v:,.1f}' if isinstance(v, float) else v} |" for k, v in figures.items())
    return "\n".join(("| `make bench` | |", "|---|--:|", *rows))


if __name__ == "__main__":
    raise SystemExit(main())
