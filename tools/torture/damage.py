"""Damaged files of every kind that a user can hand over, and what reads each."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch

from train.fitting.settings import parse
from train.fitting.state import read_facts
from vqa.checkpoint.auxiliary import save_bundle
from vqa.checkpoint.card import model_card
from vqa.checkpoint.find import find_bundled
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.data.features import FeatureStore
from vqa.data.vocabulary import build_tokenizer
from vqa.evaluation.answers.scores import Priors
from vqa.evaluation.compare import read_scores
from vqa.language.character_model import CharacterModel
from vqa.language.complete import KIND, Completer
from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor
from vqa.predict import VQA

DEEP = json.loads("[" * 300 + "]" * 300)
ODD: list[Any] = [
    *(None, True, -1, 0, 3.5, 1e999, float("nan"), 10**30, "", "x", "\x1b[31m", "\ud800"),
    *([], {}, ["a", 1], {"a": []}),
]
QUESTIONS = ["what is on the table?", "what color is the cat?", "how many dogs are there?"]


class Kind(NamedTuple):
    """A valid file, and what reads it."""

    path: Path
    read: Callable[[], object]


def save_tiny_model(folder: Path) -> Path:
    """A checkpoint of a very small model with random weights."""
    tokenizer = build_tokenizer(QUESTIONS)
    sizes: dict[str, Any] = dict.fromkeys(("embedding_size", "attention_size", "blind_size", "image_only_size"), 8)
    answers = dict(enumerate(["yes", "no", "2", "red", "teddy bear"]))
    config = VQAConfig(
        **sizes,
        backbone="tiny",
        image_size=64,
        vocab_size=len(tokenizer),
        hidden_size=16,
        fusion_size=16,
        id2label=answers,
    )
    torch.manual_seed(0)
    save_checkpoint(folder, VQAModel(config), VQAProcessor(VQAImageProcessor(size=64), tokenizer))
    return folder


def file_kinds(checkpoint: Path, folder: Path) -> dict[str, Kind]:
    """A file of each kind in `folder`, which is new."""
    model, store, bundle, run = (folder / name for name in ("model", "store", "bundle", "run"))
    run.mkdir(parents=True)
    figures = json.loads((find_bundled("model") / "results.json").read_text(encoding="utf-8"))
    save_checkpoint(model, *load_checkpoint(checkpoint), {"results.json": figures})
    (model / "priors.json").write_text(json.dumps({"majority": "yes", "by_type": {"other": "2"}, "by_prefix": {}}))
    FeatureStore.create(store, {"backbone": "tiny"}, 4, 3).append(["a.jpg"], ["0" * 32], torch.ones(1, 4, 3))
    config: dict[str, Any] = {"cell": "gru", "layers": 1, "hidden": 4, "embedding": 4}
    net = CharacterModel(4 + 3, **config)
    save_bundle(bundle, KIND, config | {"lines": True, "characters": ["a", "b", " "]}, net)
    facts = {"task": "t", "epoch": 1, "step": 0, "best": 1.5, "stale": 0, "done": [], "settings": {}}
    (run / "state.json").write_text(json.dumps(facts))
    record = {"photo": "a", "question": "?", "reference": "b", "answer_type": "other", "source": None}
    (run / "records.jsonl").write_text(json.dumps(record | {"exact": {"model": 1.0}, "official": None}) + "\n")
    (run / "run.yaml").write_text('{"data": {"train": ["a.jsonl"]}, "optim": {"epochs": 2, "rate": 0.1}, "seed": 1}')
    photo = np.zeros((20, 20, 3), np.uint8)

    def ask() -> None:
        json.dumps(VQA.load(model, "cpu").ask(photo, QUESTIONS[0]).to_dict(), allow_nan=False)

    def rows() -> None:
        found = FeatureStore.open(store)
        found.read(list(range(len(found))))

    def priors() -> None:
        VQA.extra(SimpleNamespace(folder=model), "priors.json", Priors).question_only("what is it?")  # type: ignore

    return {
        **{name: Kind(model / f"{name}.json", ask) for name in ("config", "tokenizer", "processor_config")},
        "weights": Kind(model / "model.safetensors", ask),
        "priors": Kind(model / "priors.json", priors),
        "results": Kind(model / "results.json", lambda: model_card(model)),
        "store": Kind(store / "store.json", rows),
        "index": Kind(store / "index.jsonl", rows),
        "bundle": Kind(bundle / "config.json", lambda: Completer.load(bundle).complete("ab")),
        "state": Kind(run / "state.json", lambda: read_facts(run)),
        "records": Kind(run / "records.jsonl", lambda: read_scores(str(run))),
        "settings": Kind(run / "run.yaml", lambda: parse([f"--config={run / 'run.yaml'}"])),
    }


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """The file with a value of its JSON replaced by an odd one; or with some bytes changed, or cut short."""
    if draw.random() < 0.7:
        try:
            content = json.loads(whole)
        except ValueError:
            pass
        else:
            place = draw.choice(list(_places(content)))
            return json.dumps(_replaced(content, place, draw.choice([*ODD, DEEP]))).encode() + b"\n"
    found = bytearray(whole)
    for _ in range(draw.randrange(6)):
        found[draw.choice((draw.randrange(len(found)), min(draw.randrange(200), len(found) - 1)))] = draw.randrange(256)
    return bytes(found[: draw.randrange(len(found) + 1)] if draw.random() < 0.3 else found)


def _places(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to every value in nested lists and objects; of a list to the first three."""
    yield path
    values = (
        content.items() if isinstance(content, dict) else enumerate(content[:3] if isinstance(content, list) else [])
    )
    for key, value in values:
        yield from _places(value, (*path, key))


def _replaced(content: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = _replaced(content[path[0]], path[1:], value)
    return copy
