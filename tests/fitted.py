"""A small drawn world, and a model that has learned it in seconds."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from vqa.data.world import write_world

if TYPE_CHECKING:
    from vqa.model.model import VQAModel

SCENES, QUESTIONS = 60, 4

Flags = Callable[..., list[str]]


class Fitted(NamedTuple):
    """A finished run: its folder and what it printed."""

    folder: Path
    printed: str


@contextmanager
def alike() -> Iterator[None]:
    """Everything runs in float32 on the CPU, so that figures are the same on every machine."""
    import torch

    from vqa.model.device import pick_device

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("ACCELERATE_MIXED_PRECISION", "no")
        for module in ("vqa.runtimes.pytorch", "train.extract_features"):
            patch.setattr(f"{module}.pick_device", lambda name="auto": pick_device("cpu" if name == "auto" else name))
            patch.setattr(f"{module}.fast_dtype", lambda device: torch.float32)
        yield


@pytest.fixture(scope="module", autouse=True)
def alike_everywhere() -> Iterator[None]:
    with alike():
        yield


@pytest.fixture
def net() -> "VQAModel":
    """A very small model of 16-pixel photos, nine words and three answers, without dropout."""
    import torch

    from vqa.model.configuration import VQAConfig
    from vqa.model.model import VQAModel

    torch.manual_seed(0)
    sizes = {"embedding_size": 8, "hidden_size": 8, "attention_size": 16, "fusion_size": 64}
    heads = {"blind_size": 16, "image_only_size": 16, "dropout": 0.0}
    answers = dict(enumerate(["yes", "no", "2"]))
    return VQAModel(VQAConfig(backbone="tiny", image_size=16, vocab_size=9, id2label=answers, **sizes, **heads))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `questions.jsonl` and `photos/`, and `text.jsonl.gz`: questions that name their photo only."""
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(folder, SCENES, seed=5, questions_per_scene=QUESTIONS, workers=1)
    rows = [{"question": f"what is scene{i} about?", "answer": "red", "image_id": i} for i in range(SCENES)]
    with gzip.open(folder / "text.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


@pytest.fixture(scope="session")
def flags(world: Path) -> Flags:
    """`flags(output, "--seed=2")`: the command line of a small run of all three phases, with more flags after it."""

    def make(output: Path, *more: str) -> list[str]:
        settings = {
            "output": output,
            "data.train": f"[{world / 'questions.jsonl'}]",
            "data.images": f"[{world / 'photos'}]",
            "data.text": world / "text.jsonl.gz",
            "data.holdout": 0.2,
            "data.validation_share": 0.2,
            "model.backbone": "tiny",
            "model.pretrained": "null",
            "model.image_size": 64,
            "model.embedding_size": 8,
            "model.hidden_size": 16,
            "model.attention_size": 16,
            "model.fusion_size": 16,
            "model.blind_size": 8,
            "model.image_only_size": 8,
            "model.dropout": 0.1,
            "optim.text_epochs": 1,
            "optim.epochs": 3,
            "optim.head_epochs": 2,
            "optim.batch_size": 32,
            "optim.rate": 0.01,
            "optim.encoder_rate": 1.0,
            "optim.average": 0.9,
        }
        return [*(f"--{name}={value}" for name, value in settings.items()), *more]

    return make


@pytest.fixture(scope="session")
def fitted(flags: Flags, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The run of `flags`, end to end and unbroken."""
    from train.fit import main

    folder, printed = tmp_path_factory.mktemp("fitted") / "run", io.StringIO()
    with alike(), redirect_stdout(printed):
        assert main(flags(folder)) == 0
    return Fitted(folder, printed.getvalue())
