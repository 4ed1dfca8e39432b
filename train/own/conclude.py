"""The end of `vqa train`: the joint model, and its figures from questions that it had not learned from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.fitting.finish import calibrate, ece, stated
from train.fitting.prepare import CALIBRATION, split_by_photo
from train.fitting.surgery import extend
from train.own.members import Member, Shares, join
from train.own.pool import IMPOSSIBLE, Held, Pool, best_pool
from train.own.report import worst
from train.own.trials import Trials
from vqa.checkpoint.card import CARD, model_card
from vqa.checkpoint.save import save_checkpoint
from vqa.data.examples import Example, reference, targets
from vqa.data.files import write_json
from vqa.evaluation.answers.answering import RUNNERS_UP
from vqa.evaluation.answers.records import PREDICTIONS, RESULTS, write_predictions
from vqa.evaluation.answers.scores import Answered, Judge, Priors, Record
from vqa.evaluation.results import results
from vqa.model.model import VQAModel
from vqa.model.processing import VQAProcessor
from vqa.model.text import is_sure
from vqa.predict import VQA, best_of, divergence, ours, softmax


def joint_model(trials: Trials, pool: Pool, members: list[tuple[str, Member]]) -> VQAModel:
    """The members as one model, the share of a recipe divided among its copies."""
    names = list(trials.recipes)
    count = Counter(name for name, _ in members)
    factors = {name: (pool.answer[i], pool.blind[i], pool.guess[i], 1 / len(count)) for i, name in enumerate(names)}
    shares = [Shares(*(factor / count[name] for factor in factors[name])) for name, _ in members]
    net = trials.material.net
    joint = join(net, [member for _, member in members], shares)
    if pool.only_own:
        own = trials.material.own(np.arange(len(trials.material)))
        joint = extend(joint, joint.config.vocab_size, list(compress(net.config.answers, own)))
    return joint


def conclude(
    trials: Trials,
    pool: Pool,
    held: Held,
    net: VQAModel,
    processor: VQAProcessor,
    known: set[str],
    refit: bool,
    data: str,
    facts: dict[str, Any],
    files: dict[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Write the checkpoint to `folder`, with its calibration, figures and card; returns the content of `results.json`.

    known: the answers of the start model; refit: whether the members have learned from all photos; data: the file of
    questions; facts: further entries of the results; files: further ones of the checkpoint, as JSON.
    """
    examples = trials.material.examples
    files = {"priors.json": asdict(Priors.count(examples))} | files
    save_checkpoint(folder, net, processor, files)
    vqa, every = ours(VQA.load(folder)), trials.material.net.config.answers
    chosen = torch.tensor([every.index(answer) for answer in vqa.answers])
    images = torch.stack([held.images[i] for i in trials.used(pool)]).mean(0)
    logits = [part[:, chosen].numpy() for part in (pool.logits, pool.guessed, images)]
    asked = [(int(row), examples[row]) for row in held.rows]
    done = list(answered(vqa, asked, *logits))
    calibrating, reporting = split_by_photo([example for _, example in asked], 0.5, CALIBRATION)
    photos = {example.image for example in calibrating}
    before = ece(done, reporting)
    calibrate(vqa.config, [one for one in done if one.example.image in photos])
    halves = list(answered(vqa, asked, *logits))
    after, sure = ece(halves, reporting), stated(halves, reporting)
    fitted = calibrate(net.config, done)
    save_checkpoint(folder, net, processor, files)
    vqa = ours(VQA.load(folder))
    done = list(answered(vqa, asked, *logits))
    records = list(judged(trials, vqa, done, known))
    named = {"files": [Path(data).name], "split": "validation", "n": len(examples)}
    content = results(vqa, records, named, trials.seed) | {"sure": sure} | facts
    content["calibration"] |= {
        **fitted,
        **{"thresholds": net.config.sure, "fitted_on": len(calibrating), "reported_on": len(reporting)},
        **{"ece_before": before, "ece": after},
    }
    content["learning"] = learning(trials, pool, held, records, refit)
    write_predictions(folder.parent / PREDICTIONS, records)
    write_json(folder / RESULTS, content)
    (folder / CARD).write_text(model_card(folder), encoding="utf-8")
    return content


def answered(
    vqa: VQA, asked: list[tuple[int, Example]], logits: np.ndarray, blind: np.ndarray, image_only: np.ndarray
) -> Iterator[Answered]:
    """The answers that logits `(Q, A)` give."""
    probabilities = vqa.calibrated(logits)
    mattered = divergence(probabilities, softmax(blind / vqa.config.blind_temperature)).tolist()
    best = best_of(probabilities, RUNNERS_UP)
    for i, (index, example) in enumerate(asked):
        top = tuple((vqa.answers[answer], float(probabilities[i, answer])) for answer in best[i])
        yield Answered(
            index=index,
            example=example,
            prediction=top[0][0],
            confidence=top[0][1],
            top=top,
            blind=vqa.answers[blind[i].argmax()],
            image_only=vqa.answers[image_only[i].argmax()],
            sure=is_sure(vqa.config, *top[0]),
            photo_mattered=mattered[i],
            logits=(logits[i], blind[i]),
        )


def judged(trials: Trials, vqa: VQA, done: list[Answered], start: set[str]) -> Iterator[Record]:
    """The records of the answers. Known were the answers in the other folds, and those of the start model, `start`."""
    for fold in np.unique(trials.fold[[one.index for one in done]]):
        rest = [trials.material.examples[row] for row in trials.rest(fold)]
        known = start.union(*(targets(example) for example in rest))
        judge = Judge([answer for answer in vqa.answers if answer in known], Priors.count(rest))
        yield from (judge.record(one) for one in done if trials.fold[one.index] == fold)


def learning(trials: Trials, pool: Pool, held: Held, records: list[Record], refit: bool) -> dict[str, Any]:
    """What `vqa train` reports beside the figures: see `vqa/schemas/results.json`."""
    recipes = [
        {
            "name": name,
            "passes": trials.measured[0][name].passes,
            "model": exact(held.answers[i], held, pool, trials),
            "question_only": exact(held.guesses[i], held, pool, trials),
            "answer_share": round(pool.answer[i], 3),
            "guess_share": round(pool.blind[i], 3),
            "moved": trials.way_of(name),
        }
        for i, name in enumerate(trials.recipes)
    ]
    curve = []
    for share, trial in {**trials.curve, 1.0: trials.measured[0]}.items():
        part = trials.together({0: trial})
        photos = len(np.unique(trials.material.photo[trials.rest(0, share)]))
        curve.append({"photos": photos, "exact": exact(best_pool(part).logits, part, pool, trials)})
    return {
        **{"folds": len(trials.measured), "photos": len(trials.material.questions.photos), "refit": refit},
        **{"only_own_answers": pool.only_own, "photo_helps": pool.looks},
        **{"recipes": recipes, "curve": curve, "worst": worst(records)},
    }


def exact(logits: Tensor, held: Held, pool: Pool, trials: Trials) -> float:
    """Exact match in percent, with the answers that the pool allows."""
    if pool.only_own:
        logits = logits.masked_fill(~held.own, IMPOSSIBLE)
    answers, examples = trials.material.net.config.answers, trials.material.examples
    pairs = zip(held.rows, logits.argmax(1).tolist(), strict=True)
    right = sum(answers[best] == reference(examples[row]) for row, best in pairs)
    return round(100 * right / max(1, len(held.rows)), 2)
