"""Write measured figures between the markers of README.md and docs/figures.md, so that none is typed by hand.

    python -m tools.figures [--bench bench.json]

The tables of accuracy, looking and robustness come from the bundled model's `results.json` (`vqa evaluate`), which its
card and the app's page About read too; the variation between seeds from `seeds.json` (`tools.spread`), and the speed
from `bench.json` (`make bench`), with the machine.
"""

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqa.checkpoint.card import pointing, suite, table
from vqa.data.readers.text_files import read_document
from vqa.model.errors import InputError
from vqa.script import run

RESULTS = Path("assets/model/results.json")
SEEDS, BENCH = Path("assets/evaluation/seeds.json"), Path("assets/evaluation/bench.json")
PAGES = [Path("README.md"), Path("docs/figures.md")]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__.split("\n")[0])
    parser.add_argument("--pages", type=Path, nargs="+", default=PAGES, metavar="PAGE", help="files with markers")
    parser.add_argument("--bench", type=Path, default=BENCH, help="output of python -m tools.benchmark")
    return run(parser, lambda given: write_figures(given.pages, given.bench), arguments)


def write_figures(pages: Sequence[Path], bench: Path) -> None:
    """Replace the text between the markers of `pages`. Raises `InputError` for a name whose markers no page has."""
    results, timed = read_document(RESULTS), read_document(bench)
    bodies = {
        "accuracy": f"{table(results['tables'])}\n\n{evaluation(results)}",
        "card": f"{card(results)}\n\n{fast(timed)}",
        "seeds": seeds(read_document(SEEDS)),
        "looking": looking(results),
        "speed": speed(timed),
    }
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    for name, body in bodies.items():
        marked = re.compile(rf"(?<=<!-- figures: {name} -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
        if not any(map(marked.search, texts.values())):
            names = ", ".join(map(str, texts))
            raise InputError(f"{names} has no markers '<!-- figures: {name} -->' and '<!-- /figures -->'; add them.")
        literal = f"{body}\n".replace("\\", r"\\")  # not a template
        texts = {page: marked.sub(literal, text) for page, text in texts.items()}
    for page, text in texts.items():
        page.write_text(text, encoding="utf-8")


def card(results: dict[str, Any]) -> str:
    """The card of `vqa evaluate --suite looking`, the baselines to beat, and `evaluation`."""
    blind, common = (results["baselines"][name] for name in ("question_only", "majority"))
    beat = f"To beat: {blind:.1f}% by the question without the photo, {common:.1f}% by the most common answer."
    return f"{suite(results).strip()}\n\n{beat} {evaluation(results)}"


def evaluation(results: dict[str, Any]) -> str:
    """What was measured, what confidence is worth, and the command."""
    metrics, calibration = results["metrics"], results["calibration"]
    best = calibration["selective"][0]
    sentences = [f"Exact match of the bundled model and its baselines on `{', '.join(results['data']['files'])}`."]
    if metrics["official"] is not None:
        count = f"{metrics['n_official']:,} ten-answer questions"
        sentences.append(f"Official accuracy on its {count}: {metrics['official']}.")
    sentences.append(
        f"Expected calibration error (ECE): {calibration['ece']} points; of the {best['coverage']}% most confident "
        f"answers, {best['accuracy']:.0f}% are correct."
    )
    command = f"Command: `{results['command']}`, revision {results['environment']['revision'][:10]}."
    return f"{' '.join(sentences)}\n\n{command}"


def seeds(spread: dict[str, Any]) -> str:
    """Mean and standard deviation over runs that differ only in their seed, in one sentence."""
    rows = (f"{name} {row['mean']:.1f} ± {row['deviation']:.1f}" for name, row in spread["figures"].items())
    return f"Mean ± standard deviation of {spread['runs']} runs that differ in their seed: {', '.join(rows)}."


def looking(results: dict[str, Any]) -> str:
    """Use of the photo and robustness: points of exact match lost, one row per modification; and pointing at named
    objects, where it was measured."""
    swap, cover = results["grounding"]["photo_swap"], results["grounding"]["deletion"]
    rows = [("different photo", results["n"], swap["drop"], swap["interval"])]
    names = {"attended": "attended region covered", "random": "random region covered", "centre": "centre covered"}
    rows += [(name, cover["n"], cover[f"drop_{kind}"], None) for kind, name in names.items()]
    variants = results["robustness"]["variants"]
    rows += [(name, row["n"], row["drop"], row["interval"]) for name, row in variants.items()]
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
    if (boxes := results["grounding"].get("boxes")) and boxes["n"]:
        lines.append(f"\n{pointing(boxes)}")
    return "\n".join(lines)


def fast(figures: dict[str, Any]) -> str:
    """How long an answer takes, beside another model and with the machine."""
    steps = [f"bundled model, {step} photo, " for step in ("new", "same")]
    try:
        new, same = (float(figures[f"{step}ms"]) for step in steps)
        times, same_times = (float(figures[f"{step}times as fast as ViLT-B/32"]) for step in steps)
        place = f"{figures['machine']}, {figures['precision']}"
        if not all(0 < value < math.inf for value in (new, same, times, same_times)):
            raise ValueError("a figure is not a positive number")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"make bench's output lacks a figure or has a wrong one ({error}); run it again.") from error
    return (
        f"A question about a new photo takes {new:.0f} ms, {times:.0f} times as fast as ViLT-B/32, and the next one "
        f"{same:.1f} ms, {same_times:.0f} times as fast (`make bench` on {place})."
    )


def speed(figures: dict[str, Any]) -> str:
    """The output of `make bench`, one row per figure, headed by the machine."""
    texts = {name: f"{value:,.1f}" if isinstance(value, float) else value for name, value in figures.items()}
    head = f"| `make bench` on {texts.pop('machine')}, {texts.pop('precision')} | |\n|---|--:|"
    return "\n".join((head, *(f"| {name} | {text} |" for name, text in texts.items())))


if __name__ == "__main__":
    raise SystemExit(main())
