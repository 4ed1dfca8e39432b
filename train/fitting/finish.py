"""The end of a run: the checkpoint with 16-bit weights, its calibration, scores and model card."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.fitting.prepare import CALIBRATION, Prepared, split_by_photo
from train.fitting.settings import Settings
from vqa.checkpoint.card import CARD, model_card
from vqa.checkpoint.save import save_checkpoint
from vqa.data.examples import Example, targets
from vqa.data.features import FeatureStore, stored_name
from vqa.data.files import write_json
from vqa.evaluation.answers.answering import answers
from vqa.evaluation.answers.questions import batches
from vqa.evaluation.answers.records import PREDICTIONS, RESULTS, write_predictions
from vqa.evaluation.answers.scores import Answered, Judge
from vqa.evaluation.measures.statistics import (
    expected_calibration_error,
    fit_temperature,
    lowest_sure,
    stated_as_sure,
)
from vqa.evaluation.results import results
from vqa.model.configuration import VQAConfig
from vqa.model.text import KINDS, YES_NO, answer_kind, temperature_for
from vqa.predict import VQA, ours, softmax

MOST = 20_000  # questions that calibrate
FEWEST = 200  # answers that have a temperature of their own


def finish(prepared: Prepared, settings: Settings, folder: Path) -> dict[str, Any]:
    """Write the checkpoint to `folder`: calibrated on half of the validation photos, scored on all, with its card.

    Returns the content of its `results.json`.
    """
    net, data, extra = prepared.net.cpu(), settings.data, {"priors.json": asdict(prepared.priors)}
    save_checkpoint(folder, net, prepared.processor, extra)
    vqa = ours(VQA.load(folder))
    store = None
    if data.features and not prepared.stages:  # it has finished grids
        store = FeatureStore.open(data.features, vqa.made_by())
    name_of = partial(stored_name, folders=[*data.images, *data.validation_images])
    calibrating, reporting = split_by_photo(prepared.validation, 0.5, CALIBRATION)
    calibrating = calibrating[:MOST]
    ece_before = ece(ask(vqa, reporting, store, name_of)[0], reporting)
    calibrators = ask(vqa, calibrating, store, name_of, keep_logits=True)[0]
    fitted = calibrate(net.config, calibrators)
    save_checkpoint(folder, net, prepared.processor, extra)
    vqa = ours(VQA.load(folder))
    done, skipped = ask(vqa, prepared.validation, store, name_of)
    judge = Judge(vqa.answers, prepared.priors)
    records = [judge.record(answered) for answered in done]
    files = data.validation or data.train
    named = {"files": [Path(file).name for file in files], "split": "validation", "n": len(prepared.validation)}
    content = results(vqa, records, named, settings.seed, skipped) | {"model": settings.title}
    content["calibration"] |= {
        **fitted,
        "thresholds": net.config.sure,
        "fitted_on": len(calibrating),
        "reported_on": len(reporting),
        "ece_before": ece_before,
        "ece": ece(done, reporting),
    }
    content["sure"] = stated(done, reporting)
    if settings.start is not None:  # the path of a folder means nothing on other machines
        content["start"] = Path(settings.start).name if Path(settings.start).is_dir() else settings.start
    write_predictions(folder.parent / PREDICTIONS, records)  # not part of the model
    write_json(folder / RESULTS, content)
    write_json(folder / "training.json", settings.fingerprint())
    (folder / CARD).write_text(model_card(folder), encoding="utf-8")
    return content


def ask(
    vqa: VQA,
    examples: Sequence[Example],
    store: FeatureStore | None,
    name_of: Callable[[str], str],
    keep_logits: bool = False,
) -> tuple[list[Answered], Counter[str]]:
    """The answers in the data's order, and how many questions were left out for each reason."""
    answered = answers(vqa, batches(examples), store, name_of, keep_logits=keep_logits)
    every = [result for _, batch in answered for result in batch]
    done = sorted((r for r in every if isinstance(r, Answered)), key=lambda result: result.index)
    return done, Counter(r.reason for r in every if not isinstance(r, Answered))


def calibrate(config: VQAConfig, done: Sequence[Answered]) -> dict[str, float | None]:
    """Fit the temperatures and thresholds of a configuration to answers with their logits; returns the temperatures."""
    fitted = temperatures(config.answers, done)
    for name, value in fitted.items():
        setattr(config, name, value)
    config.sure = thresholds(config, done)
    return fitted


def temperatures(vocabulary: Sequence[str], done: Sequence[Answered]) -> dict[str, float | None]:
    """The configuration's temperatures by name: 1 without an example, and None for yes and no where fewer than `FEWEST`
    answers are these, or others."""
    index = {answer: number for number, answer in enumerate(vocabulary)}
    pairs = [answered.logits for answered in done if answered.logits is not None]
    if not pairs:
        return {"temperature": 1.0, "yes_no_temperature": None, "blind_temperature": 1.0}
    right = torch.zeros(len(done), len(index))
    for row, answered in enumerate(done):
        for answer, value in targets(answered.example).items():
            if answer in index:
                right[row, index[answer]] = value
    whole, blind = (torch.from_numpy(np.stack(logits)) for logits in zip(*pairs, strict=True))
    if torch.equal(whole, blind):  # the photo has no share: it must not seem to matter, so one temperature for both
        plain, _ = fit_temperature(whole, right, adaptive=False)
        shared = dict.fromkeys(("temperature", "blind_temperature"), plain)
        return shared | {"temperature_slope": 0.0, "yes_no_temperature": None, "yes_no_temperature_slope": 0.0}
    closed = torch.tensor([vocabulary[answer] in YES_NO for answer in whole.argmax(1).tolist()])
    apart = min(int(closed.sum()), int((~closed).sum())) >= FEWEST
    others = ~closed if apart else slice(None)
    fitted: dict[str, float | None] = {"yes_no_temperature": None}
    fitted["temperature"], fitted["temperature_slope"] = fit_temperature(whole[others], right[others])
    if apart:
        pair = fit_temperature(whole[closed], right[closed])
        fitted["yes_no_temperature"], fitted["yes_no_temperature_slope"] = pair
    return fitted | {"blind_temperature": fit_temperature(blind, right, adaptive=False)[0]}


def thresholds(config: VQAConfig, done: Sequence[Answered]) -> dict[str, float]:
    """The configuration's `sure`: for each answer kind the lowest confidence, with the temperatures of `config`, for
    which the answers are right often enough (see `lowest_sure`)."""
    confidence: dict[str, list[float]] = {kind: [] for kind in KINDS}
    right: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for answered in done:
        if answered.logits is not None:
            kind = answer_kind(answered.prediction)
            logits = answered.logits[0]
            temperature = temperature_for(config, answered.prediction, float(softmax(logits).max()))
            confidence[kind].append(float(softmax(logits / temperature).max()))
            right[kind].append(targets(answered.example).get(answered.prediction, 0.0))
    return {kind: round(lowest_sure(np.array(confidence[kind]), np.array(right[kind])), 4) for kind in KINDS}


def ece(done: Sequence[Answered], reporting: Sequence[Example]) -> float:
    """Expected calibration error in percent over the predictions about the photos of `reporting`."""
    chosen, right = scored(done, reporting)
    confidence = [answered.confidence for answered in chosen]
    return round(100 * expected_calibration_error(np.array(confidence, dtype=float), right), 2)


def stated(done: Sequence[Answered], reporting: Sequence[Example]) -> dict[str, Any]:
    """How many of the answers about the photos of `reporting` are stated as sure, and how many of these are right."""
    chosen, right = scored(done, reporting)
    kinds = np.array([answer_kind(answered.prediction) for answered in chosen])
    return stated_as_sure(kinds, np.array([answered.sure for answered in chosen]), right)


def scored(done: Sequence[Answered], reporting: Sequence[Example]) -> tuple[list[Answered], np.ndarray]:
    """The answers about the photos of `reporting`, and their soft scores."""
    photos = {example.image for example in reporting}
    chosen = [answered for answered in done if answered.example.image in photos]
    return chosen, np.array([targets(answered.example).get(answered.prediction, 0.0) for answered in chosen])
