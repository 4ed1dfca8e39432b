"""Measure how well mistyped questions are mended, by our model and by symspellpy, and what that does to answers.

    python -m tools.repair_scores --features features/coco --output runs/repair

Settings are chosen on some of the questions that were held out in training, repairs are counted on others of them, and
answers on --data, about whose photos neither has read a question. All goes to `output`/scores.json.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from tools.symspell import bare, symspells
from train.complete import QUESTIONS, read_questions
from vqa.data.examples import Example, reference
from vqa.data.features import FeatureStore
from vqa.data.files import write_json
from vqa.data.metric import normalize_answer
from vqa.data.readers import read_examples
from vqa.evaluation.measures.bootstrap import interval, resampled_means
from vqa.evaluation.probes.batches import batched, percent, stream
from vqa.evaluation.probes.damage import typo
from vqa.language.noise import mistype
from vqa.language.repair import BEAM, Repairer, Unknown, fewest_unknown, keep_known
from vqa.model.errors import InputError
from vqa.predict import VQA

RATE = 0.2  # slips a word
CHOSEN_ON, COUNTED_ON = 1000, 2000  # held-out questions
OURS, LIBRARY = "ours", "symspellpy"

Mend = Callable[[Sequence[str]], Iterator[list[str]]]
"""The likeliest repairs of each of many questions, the best first."""


def main(arguments: list[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m tools.repair_scores", description=__doc__.split("\n")[0])
    made.add_argument("--questions", type=Path, default=QUESTIONS, help="what the repairer was trained on")
    made.add_argument("--repairer", type=Path, help="a folder that train.repair wrote (default: the bundled one)")
    made.add_argument("--model", help="the model that answers (default: the bundled one)")
    made.add_argument("--data", type=Path, default=Path("../shared/data/coco/questions_val.jsonl"))
    made.add_argument("--features", type=Path, required=True, help="the feature store of its photos")
    made.add_argument("--output", type=Path, required=True, help="a folder")
    made.add_argument("--limit", type=int, help="only the first questions of each kind")
    made.add_argument("--seed", type=int, default=0)
    try:
        measure(made.parse_args(arguments))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Choose, count, ask; write and return the scores."""
    vqa = VQA.load(given.model, "cpu")
    store = FeatureStore.open(given.features, vqa.made_by())
    repairer = Repairer.load(given.repairer)
    questions, held = read_questions(given.questions)
    held = list(dict.fromkeys(q for q in held if bare(q) and len(q) < 120))
    random.Random(given.seed).shuffle(held)
    chosen_on, counted_on = held[:CHOSEN_ON][: given.limit], held[CHOSEN_ON:][:COUNTED_ON][: given.limit]

    def unknown(text: str) -> list[str]:
        return vqa.processor.words(text)[1]

    def ours(beam: int) -> Mend:
        return lambda typed: repairer.candidates(typed, beam)

    menders: dict[str, Mend] = {f"{OURS}, beam {beam}": ours(beam) for beam in (1, BEAM)}
    menders |= {f"{LIBRARY}, {name}": mend for name, mend in symspells(questions).items()}
    scores: dict[str, Any] = {"rate": RATE, "seed": given.seed}
    scores["choice"] = {name: count(name, mend, chosen_on, unknown, given.seed) for name, mend in menders.items()}
    chosen = {
        f"{family}, {when}": max(
            ((name, rule) for name in scores["choice"] if name.startswith(family) for rule in rules),
            key=lambda pair: sum(scores["choice"][pair[0]][kind][pair[1]] for kind in KINDS),
        )
        for family in (OURS, LIBRARY)
        for when, rules in (("always", ALWAYS), ("offered", OFFERED))
    }
    scores["chosen"] = {label: list(pair) for label, pair in chosen.items()}
    names = sorted({name for name, _ in chosen.values()})
    counted = {name: count(name, menders[name], counted_on, unknown, given.seed + 1) for name in names}
    scores["repairs"] = {
        "n": len(counted_on),
        **{label: {kind: counted[name][kind][rule] for kind in KINDS} for label, (name, rule) in chosen.items()},
    }
    examples = read_examples(given.data)[: given.limit]
    scores["answers"] = answers(vqa, store, examples, menders, chosen, unknown, given.seed)
    given.output.mkdir(parents=True, exist_ok=True)
    write_json(given.output / "scores.json", scores)
    return scores


RULES: dict[str, Callable[[str, list[str], Unknown], str]] = {
    "as it is": lambda typed, found, unknown: found[0],
    "known words stay": lambda typed, found, unknown: keep_known(typed, found[0], unknown),
    "fewest unknown words": lambda typed, found, unknown: fewest_unknown(typed, found, unknown) or typed,
    "known words stay, fewest unknown": lambda typed, found, unknown: (
        fewest_unknown(typed, [keep_known(typed, text, unknown) for text in found], unknown) or typed
    ),
}
"""What to make of a typed question and its likeliest repairs; unknown are words to the model that answers."""
ALWAYS, OFFERED = list(RULES)[:1], list(RULES)[1:]  # the latter change only questions with unknown words

KINDS: dict[str, Callable[[str, int], str]] = {
    "right": lambda question, seed: question,
    "one slip": lambda question, seed: typo(question, np.random.default_rng(seed)) or question,
    "noisy": lambda question, seed: noisy(question, seed),
}
"""How a question is typed: as it is; with the evaluation's one slip in a longer word; with `RATE` slips a word."""


def noisy(question: str, seed: int) -> str:
    """Mistyped at `RATE`, until something is wrong."""
    generator = random.Random(f"{seed}-{question}")
    typed = (mistype(question, generator, RATE) for _ in range(50))
    return next((text for text in typed if bare(text) != bare(question)), question)


def count(name: str, mend: Mend, questions: Sequence[str], unknown: Unknown, seed: int) -> dict[str, Any]:
    """Percent of the questions that are right after mending, by how they are typed and by rule."""
    rates: dict[str, Any] = {}
    for kind, type_it in KINDS.items():
        pairs = [(q, type_it(q, seed + place)) for place, q in enumerate(questions)]
        pairs = [(q, typed) for q, typed in pairs if kind == "right" or bare(q) != bare(typed)]
        found = track(mend([typed for _, typed in pairs]), f"{name}: {kind}", len(pairs), transient=True)
        right: dict[str, list[bool]] = {rule: [] for rule in RULES}
        for (question, typed), candidates in zip(pairs, found, strict=True):
            for rule, apply in RULES.items():
                right[rule].append(bare(apply(typed, candidates, unknown)) == bare(question))
        rates[kind] = {"n": len(pairs)} | {rule: percent(np.array(hits)) for rule, hits in right.items()}
    return rates


def answers(
    vqa: VQA,
    store: FeatureStore,
    examples: Sequence[Example],
    menders: dict[str, Mend],
    chosen: dict[str, tuple[str, str]],
    unknown: Unknown,
    seed: int,
) -> dict[str, Any]:
    """Exact match in percent where the question was mistyped, by how: asked right, as typed, and mended."""
    rows = store.lookup([e.image for e in examples])
    asked = [(e, int(row)) for e, row in zip(examples, rows, strict=True) if row >= 0]
    truth = [reference(e) for e, _ in asked]
    photos = [e.image for e, _ in asked]

    def exact(questions: Sequence[str]) -> np.ndarray:
        said: list[str] = []
        pairs = list(zip(questions, (row for _, row in asked), strict=True))
        for chunk in track(list(batched(pairs, 256)), "asking", transient=True):
            places, index = np.unique([row for _, row in chunk], return_inverse=True)
            logits = vqa.logits(store.read(places), [q for q, _ in chunk], torch.from_numpy(index)).logits
            said += [vqa.answers[best] for best in logits.argmax(-1).tolist()]
        return np.array([float(normalize_answer(a) == t) for a, t in zip(said, truth, strict=True)])

    plain = [" ".join(e.question.lower().split()) for e, _ in asked]
    clean = exact(plain)
    figures: dict[str, Any] = {"n": len(asked), "skipped": len(examples) - len(asked), "right": percent(clean)}
    for kind in ("one slip", "noisy"):
        seeds = [int(stream(seed, e).integers(1 << 31)) for e, _ in asked]
        typed = [KINDS[kind](q, s) for q, s in zip(plain, seeds, strict=True)]
        damaged = np.array([bare(t) != bare(q) for t, q in zip(typed, plain, strict=True)])
        strange = np.array([bool(unknown(t)) for t in typed])
        hits = {"right": clean, "as typed": exact(typed)}
        found = {
            name: list(track(menders[name](typed), f"{name}: {kind}", len(typed), transient=True))
            for name in {name for name, _ in chosen.values()}
        }
        for label, (name, rule) in chosen.items():
            hits[label] = exact([RULES[rule](t, f, unknown) for t, f in zip(typed, found[name], strict=True)])
        hits = {name: np.where(damaged, h, np.nan) for name, h in hits.items()}
        gains = {name: h - hits["as typed"] for name, h in hits.items() if name not in ("right", "as typed")}
        means = resampled_means(gains, photos, seed)
        figures[kind] = {
            "n": int(damaged.sum()),
            "with unknown words": int((damaged & strange).sum()),
            "exact": {name: percent(h[damaged]) for name, h in hits.items()},
            "gain": {name: [percent(g[damaged]), interval(means[name])] for name, g in gains.items()},
        }
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
