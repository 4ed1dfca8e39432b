"""The end of a run: a complete checkpoint, calibrated and scored by its own 16-bit weights, with its model card."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from train.card import model_card
from train.prepare import Task, read_all, stored_name, write_json
from train.settings import Settings
from vqa.checkpoint import save_checkpoint
from vqa.data.examples import Example, targets
from vqa.data.features import FeatureStore
from vqa.evaluation.calibration import expected_calibration_error, fit_temperature
from vqa.evaluation.evaluate import results, write
from vqa.evaluation.predictions import Predictions, batch_logits, grids, predict
from vqa.predict import VQA

MOST = 20_000  # questions that calibrate


def finish(task: Task, settings: Settings, folder: Path) -> None:
    """Write the checkpoint to `folder`; with validation questions also calibrate, score them and write the card."""
    net = task.net.cpu()
    save_checkpoint(folder, net, task.processor, {"priors.json": task.priors.to_dict()})
    data = settings.data
    if not data.validation:
        return
    examples = read_all(
        data.validation, data.validation_annotations, data.validation_images or data.images, task.said
    )
    images = data.validation_images or data.images
    store = None
    vqa = VQA.load(folder)
    if data.features:
        store = FeatureStore.open(data.features, vqa.made_by())
    calibrating, reporting = halves(examples, settings.seed)
    before = fit(vqa, calibrating[:MOST], store, images)
    net.config.temperature, net.config.blind_temperature = before
    save_checkpoint(folder, net, task.processor, {"priors.json": task.priors.to_dict()})
    uncalibrated, vqa = vqa, VQA.load(folder)

    def score(model: VQA, chosen: Sequence[Example]) -> Predictions:
        return predict(model, chosen, store, lambda image: stored_name(image, images))

    done = score(vqa, examples)
    named = {"files": [Path(file).name for file in data.validation], "split": "validation"}
    content = results(vqa, done, named, settings.seed)
    content["model"] = settings.title
    content["calibration"] |= {
        "temperature": net.config.temperature,
        "blind_temperature": net.config.blind_temperature,
        "fitted_on": len(calibrating[:MOST]),
        "reported_on": len(reporting),
        "ece_before": ece(score(uncalibrated, reporting)),
        "ece": ece(score(vqa, reporting)),
    }
    write(folder, done, content)
    (folder / "predictions.json").rename(folder.parent / "predictions.json")  # not part of the model
    write_json(folder / "training.json", settings.fingerprint())
    (folder / "README.md").write_text(model_card(vqa, content, settings), encoding="utf-8")
    print(json.dumps({key: content[key] for key in ("n", "metrics", "baselines", "calibration")}, indent=1))


def halves(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Two halves of the photos, each with all its questions."""
    photos = sorted({example.image for example in examples})
    order = np.random.default_rng((seed, 3)).permutation(len(photos))
    first = {photos[i] for i in order[: len(photos) // 2]}
    return [e for e in examples if e.image in first], [e for e in examples if e.image not in first]


def fit(vqa: VQA, examples: Sequence[Example], store: FeatureStore | None, images: Sequence[str]) -> tuple[float, float]:
    """The temperatures of the whole model and of the blind head."""
    index = {answer: number for number, answer in enumerate(vqa.answers)}
    done, logits, blind, right = Predictions(), [], [], []
    for batch in grids(vqa, examples, store, lambda image: stored_name(image, images), done):
        found = batch_logits(vqa, batch, done)
        if found is None:
            continue
        answered, *heads, _ = found
        score = torch.zeros(len(answered), len(index))
        for row, example in enumerate(answered):
            for answer, value in targets(example).items():
                if answer in index:
                    score[row, index[answer]] = value
        for kept, value in ((logits, heads[0]), (blind, heads[1]), (right, score)):
            kept.append(value)
    correct = torch.cat(right)
    return fit_temperature(torch.cat(logits), correct), fit_temperature(torch.cat(blind), correct)


def ece(done: Predictions) -> float:
    """Expected calibration error in percent."""
    right = [targets(e).get(answer, 0.0) for e, answer in zip(done.examples, done.answer, strict=True)]
    return round(100 * expected_calibration_error(np.array(done.confidence), np.array(right)), 2)
