"""The end of a run: a complete checkpoint, calibrated and scored by its own 16-bit weights, with its model card."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from train.card import model_card
from train.prepare import Task, split_by_photo
from train.settings import Settings
from vqa.checkpoint import save_checkpoint
from vqa.data.examples import Example, targets
from vqa.data.features import FeatureStore, stored_name
from vqa.evaluation.calibration import expected_calibration_error, fit_temperature
from vqa.evaluation.evaluate import results, write
from vqa.evaluation.predictions import Predictions, batch_logits, grids, predict
from vqa.files import write_json
from vqa.predict import VQA

MOST = 20_000  # questions that calibrate


def finish(task: Task, settings: Settings, folder: Path) -> None:
    """Write the checkpoint to `folder`: calibrated on half of the validation photos, scored on all, with its card."""
    net, data, extra = task.net.cpu(), settings.data, {"priors.json": task.priors.to_dict()}
    save_checkpoint(folder, net, task.processor, extra)
    uncalibrated = VQA.load(folder)
    store = FeatureStore.open(data.features, uncalibrated.made_by()) if data.features else None
    name_of = partial(stored_name, folders=[*data.images, *data.validation_images])
    calibrating, reporting = split_by_photo(task.validation, 0.5, settings.seed, 3)
    calibrating = calibrating[:MOST]
    net.config.temperature, net.config.blind_temperature = temperatures(uncalibrated, calibrating, store, name_of)
    save_checkpoint(folder, net, task.processor, extra)
    vqa = VQA.load(folder)
    done = predict(vqa, task.validation, store, name_of)
    files = data.validation or data.train
    named = {"files": [Path(file).name for file in files], "split": "validation", "n": len(task.validation)}
    content = results(vqa, done, named, settings.seed) | {"model": settings.title}
    content["calibration"] |= {
        "temperature": net.config.temperature,
        "blind_temperature": net.config.blind_temperature,
        "fitted_on": len(calibrating),
        "reported_on": len(reporting),
        "ece_before": ece(predict(uncalibrated, reporting, store, name_of), reporting),
        "ece": ece(done, reporting),
    }
    write(folder, done, content)
    (folder / "predictions.json").replace(folder.parent / "predictions.json")  # not part of the model
    write_json(folder / "training.json", settings.fingerprint())
    (folder / "README.md").write_text(model_card(vqa, content, settings), encoding="utf-8")
    print(json.dumps({key: content[key] for key in ("n", "metrics", "baselines", "calibration")}, indent=1))


def temperatures(
    vqa: VQA, examples: Sequence[Example], store: FeatureStore | None, name_of: Callable[[str], str]
) -> tuple[float, float]:
    """Those of the whole model and of the blind head; 1 where nothing can be asked."""
    index = {answer: number for number, answer in enumerate(vqa.answers)}
    done, logits, blind, right = Predictions(), [], [], []
    for batch in grids(vqa, examples, store, name_of, done):
        found = batch_logits(vqa, batch, done)
        if found is None:
            continue
        answered, whole, guess, _ = found
        score = torch.zeros(len(answered), len(index))
        for row, example in enumerate(answered):
            for answer, value in targets(example).items():
                if answer in index:
                    score[row, index[answer]] = value
        logits.append(whole)
        blind.append(guess)
        right.append(score)
    if not right:
        return 1.0, 1.0
    correct = torch.cat(right)
    return fit_temperature(torch.cat(logits), correct), fit_temperature(torch.cat(blind), correct)


def ece(done: Predictions, reporting: Sequence[Example]) -> float:
    """Expected calibration error in percent over the predictions about the photos of `reporting`."""
    photos = {example.image for example in reporting}
    chosen = [i for i, example in enumerate(done.examples) if example.image in photos]
    right = [targets(done.examples[i]).get(done.answer[i], 0.0) for i in chosen]
    return round(100 * expected_calibration_error(np.array(done.confidence)[chosen], np.array(right)), 2)
