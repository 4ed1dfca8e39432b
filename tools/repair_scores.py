"""Measure how well our model and symspellpy repair mistyped questions, and the effect on answers.

    python -m tools.repair_scores --questions questions.jsonl --data questions_val.jsonl \\
        --features features/coco --output runs/repair

Settings are chosen on some of the questions that were held out in training, repairs are counted on others of them, and
answers on --data, whose photos have no question in --questions. The scores are written to `output`/scores.json.
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from train.complete import read_questions
from vqa.data.examples import Example, reference
from vqa.data.features import FeatureStore
from vqa.data.files import write_json
from vqa.data.metric import normalize_answer
from vqa.data.parallel import batched
from vqa.data.readers import read_examples
from vqa.evaluation.measures.statistics import interval, percent, resampled_means
from vqa.evaluation.probes.asked_again import generator_for
from vqa.evaluation.probes.damage import typo
from vqa.language.noise import mistype
from vqa.language.repair import BEAM, Repairer, Unknown, fewest_unknown, keep_known
from vqa.predict import VQA, ours
from vqa.script import run

RATE = 0.2  # typing errors a word
CHOSEN_ON, COUNTED_ON = 1000, 2000  # held-out questions
OURS, LIBRARY = "ours", "symspellpy"
COUNTS, DISTANCES = (1, 3, 10), (1, 2)  # of a known word; letters that may differ

Repair = Callable[[Sequence[str]], Iterator[list[str]]]
"""From many questions to the likeliest repairs of each, the best first."""
Chosen = dict[str, tuple[str, str]]
"""By family and use: the name of a `Repair`, and of the rule that is applied to what it finds."""

RULES: dict[str, Callable[[str, list[str], Unknown], str]] = {
    "as it is": lambda typed, repairs, unknown: repairs[0],
    "known words stay": lambda typed, repairs, unknown: keep_known(typed, repairs[0], unknown),
    "fewest unknown words": lambda typed, repairs, unknown: fewest_unknown(typed, repairs, unknown) or typed,
    "known words stay, fewest unknown": lambda typed, repairs, unknown: (
        fewest_unknown(typed, [keep_known(typed, text, unknown) for text in repairs], unknown) or typed
    ),
}
"""What a typed question and its likeliest repairs become; unknown: words that the answering model does not know."""
ALWAYS, OFFERED = list(RULES)[:1], list(RULES)[1:]  # the latter change only questions with unknown words

KINDS: dict[str, Callable[[str, int], str]] = {
    "right": lambda question, seed: question,
    "one slip": lambda question, seed: typo(question, np.random.default_rng(seed)) or question,
    "noisy": lambda question, seed: noisy(question, seed),
}
"""How a question is typed: correctly; with the evaluation's one error in a longer word; with `RATE` errors a word."""


def noisy(question: str, seed: int) -> str:
    """The question, mistyped at `RATE` until it has an error."""
    generator = random.Random(f"{seed}-{question}")
    typed = (mistype(question, generator, RATE) for _ in range(50))
    return next((text for text in typed if bare(text) != bare(question)), question)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.repair_scores", description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=Path, required=True, help="the training questions of the repair model")
    parser.add_argument("--repairer", type=Path, help="a folder of train.repair (default: the bundled one)")
    parser.add_argument("--model", help="the model that answers (default: the bundled one)")
    parser.add_argument("--data", type=Path, required=True, help="questions with answers")
    parser.add_argument("--features", type=Path, required=True, help="the feature store of their photos")
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--limit", type=int, help="only the first questions of each kind")
    parser.add_argument("--seed", type=int, default=0)
    return run(parser, measure, arguments)


def measure(given: argparse.Namespace) -> None:
    """Choose settings, count repairs, compare answers, and write the scores."""
    vqa = ours(VQA.load(given.model, "cpu"))
    store = FeatureStore.open(given.features, vqa.made_by())
    repairer = Repairer.load(given.repairer)
    questions, held = read_questions(given.questions)
    held = list(dict.fromkeys(q for q in held if bare(q) and len(q) < 120))
    random.Random(given.seed).shuffle(held)
    chosen_on, counted_on = held[:CHOSEN_ON][: given.limit], held[CHOSEN_ON:][:COUNTED_ON][: given.limit]

    unknown = unknown_to(vqa)
    repairs: dict[str, Repair] = {f"{OURS}, beam {b}": partial(repairer.candidates, beam=b) for b in (1, BEAM)}
    repairs |= {f"{LIBRARY}, {name}": repair for name, repair in symspells(questions).items()}
    choice = {name: count(name, repair, chosen_on, unknown, given.seed) for name, repair in repairs.items()}
    chosen: Chosen = {
        f"{family}, {when}": max(
            ((name, rule) for name in choice if name.startswith(family) for rule in rules),
            key=lambda pair: sum(choice[pair[0]][kind][pair[1]] for kind in KINDS),
        )
        for family in (OURS, LIBRARY)
        for when, rules in (("always", ALWAYS), ("offered", OFFERED))
    }
    names = sorted({name for name, _ in chosen.values()})
    counted = {name: count(name, repairs[name], counted_on, unknown, given.seed + 1) for name in names}
    rates = {label: {kind: counted[name][kind][rule] for kind in KINDS} for label, (name, rule) in chosen.items()}
    examples = read_examples(given.data)[: given.limit]
    given.output.mkdir(parents=True, exist_ok=True)
    scores = {
        "rate": RATE,
        "seed": given.seed,
        "choice": choice,
        "chosen": chosen,
        "repairs": {"n": len(counted_on), **rates},
        "answers": answers(vqa, store, examples, repairs, chosen, given.seed),
    }
    write_json(given.output / "scores.json", scores)


def symspells(questions: Sequence[str]) -> dict[str, Repair]:
    """Repair functions of symspellpy over the words of the training questions, by name: each word by itself, or
    `compound`, which also repairs spaces and weighs the pairs of words in the questions."""
    from symspellpy import SymSpell, Verbosity

    def compound(library: SymSpell, distance: int, typed: Sequence[str]) -> Iterator[list[str]]:
        return ([library.lookup_compound(bare(text), distance)[0].term] for text in typed)

    def word_by_word(library: SymSpell, distance: int, typed: Sequence[str]) -> Iterator[list[str]]:
        def repaired(word: str) -> str:
            return library.lookup(word, Verbosity.TOP, distance, include_unknown=True)[0].term

        return ([" ".join(map(repaired, bare(text).split()))] for text in typed)

    words, pairs = Counter[str](), Counter[str]()
    for row in (bare(question).split() for question in questions):
        words.update(row)
        pairs.update(" ".join(pair) for pair in pairwise(row))
    functions: dict[str, Repair] = {}
    for least in COUNTS:
        library = SymSpell(max_dictionary_edit_distance=max(DISTANCES), prefix_length=7)
        for word, n in words.items():
            if n >= least:
                library.create_dictionary_entry(word, n)
        library.bigrams.update({pair: n for pair, n in pairs.items() if n >= least})
        library.bigram_count_min = least
        for distance in DISTANCES:
            for name, repair in (("compound", compound), ("word by word", word_by_word)):
                functions[f"{name}, words seen {least} times, distance {distance}"] = partial(repair, library, distance)
    return functions


def unknown_to(vqa: VQA) -> Unknown:
    """The function that lists the words of a text that the model does not know."""
    return lambda text: vqa.words(text)[1]


def bare(text: str) -> str:
    """The words of a text alone, by which repairs are compared."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def count(name: str, repair: Repair, questions: Sequence[str], unknown: Unknown, seed: int) -> dict[str, Any]:
    """Percent of the questions that are right after repair, by how they are typed and by rule."""
    rates: dict[str, Any] = {}
    for kind, type_it in KINDS.items():
        pairs = [(q, type_it(q, seed + place)) for place, q in enumerate(questions)]
        pairs = [(q, typed) for q, typed in pairs if kind == "right" or bare(q) != bare(typed)]
        results = track(repair([typed for _, typed in pairs]), f"{name}: {kind}", len(pairs), transient=True)
        right: dict[str, list[bool]] = {rule: [] for rule in RULES}
        for (question, typed), candidates in zip(pairs, results, strict=True):
            for rule, apply in RULES.items():
                right[rule].append(bare(apply(typed, candidates, unknown)) == bare(question))
        rates[kind] = {"n": len(pairs)} | {rule: percent(np.array(hits)) for rule, hits in right.items()}
    return rates


def answers(
    vqa: VQA, store: FeatureStore, examples: Sequence[Example], repairs: dict[str, Repair], chosen: Chosen, seed: int
) -> dict[str, Any]:
    """Exact match in percent where the question was mistyped, by how: asked correctly, as typed, and repaired."""
    unknown = unknown_to(vqa)
    places = store.lookup([e.image for e in examples])
    rows = [int(row) for row in places if row >= 0]
    stored = [e for e, row in zip(examples, places, strict=True) if row >= 0]
    truth = [reference(e) for e in stored]

    def exact(questions: Sequence[str]) -> np.ndarray:
        """Whether each answer is right, 0 or 1."""
        best: list[int] = []
        for chunk in track(list(batched(zip(questions, rows, strict=True), 256)), "asking", transient=True):
            different, index = np.unique([row for _, row in chunk], return_inverse=True)
            logits = vqa.logits(store.read(different), [q for q, _ in chunk], torch.from_numpy(index)).logits
            best += logits.argmax(-1).tolist()
        return np.array([float(normalize_answer(vqa.answers[a]) == t) for a, t in zip(best, truth, strict=True)])

    plain = [" ".join(e.question.lower().split()) for e in stored]
    clean = exact(plain)
    figures: dict[str, Any] = {"n": len(stored), "skipped": len(examples) - len(stored), "right": percent(clean)}
    for kind in ("one slip", "noisy"):
        typed = [
            KINDS[kind](q, int(generator_for(seed, e).integers(1 << 31))) for q, e in zip(plain, stored, strict=True)
        ]
        damaged = np.array([bare(t) != bare(q) for t, q in zip(typed, plain, strict=True)])
        strange = np.array([bool(unknown(t)) for t in typed])
        hits = {"right": clean, "as typed": exact(typed)}
        candidates = {name: list(repairs[name](typed)) for name in {name for name, _ in chosen.values()}}
        for label, (name, rule) in chosen.items():
            hits[label] = exact([RULES[rule](t, c, unknown) for t, c in zip(typed, candidates[name], strict=True)])
        hits = {name: np.where(damaged, h, np.nan) for name, h in hits.items()}
        gains = {label: hits[label] - hits["as typed"] for label in chosen}
        means = resampled_means(gains, [e.image for e in stored], seed)
        figures[kind] = {
            "n": int(damaged.sum()),
            "with unknown words": int((damaged & strange).sum()),
            "exact": {name: percent(h[damaged]) for name, h in hits.items()},
            "gain": {name: [percent(g[damaged]), interval(means[name])] for name, g in gains.items()},
        }
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
