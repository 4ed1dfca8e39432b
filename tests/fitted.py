"""A small drawn world, and a model that has learned it in seconds."""

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from tests.once import once
from vqa.data.world import write_world

if TYPE_CHECKING:
    from train.fitting.photo_labels import PhotoLabels
    from train.fitting.tasks import QuestionTask
    from vqa.model.model import VQAModel

SCENES, QUESTIONS = 60, 4

Flags = Callable[..., list[str]]


class Fitted(NamedTuple):
    """A finished run: its folder and what it printed."""

    folder: Path
    printed: str


@contextmanager
def alike() -> Iterator[None]:
    """Everything runs in float32 on the CPU, so that figures are the same on every machine.

    PyTorch is not imported for that, as many tests need no model.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setenv("ACCELERATE_MIXED_PRECISION", "no")
        if "torch" in sys.modules:
            import torch

            from vqa.model.device import pick_device

            for name in ("vqa.runtimes.pytorch", "train.extract_features"):
                if name == "vqa.runtimes.pytorch" or name in sys.modules:
                    patch.setattr(f"{name}.pick_device", lambda it="auto": pick_device("cpu" if it == "auto" else it))
                    patch.setattr(f"{name}.fast_dtype", lambda device: torch.float32)
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


def make_task(kind: "type[QuestionTask]", net: "VQAModel", labels: "Sequence[PhotoLabels]" = (), **optim: float) -> Any:
    """A training task for `net`, without augmentation, on data of which only their numbers are there."""
    from train.fitting.settings import Data, Optimisation, Settings
    from vqa.model.processing import VQAImageProcessor

    processor = SimpleNamespace(image_processor=VQAImageProcessor(16))
    train = SimpleNamespace(photo=np.arange(2), photos=["a.png", "b.png"], places=None)
    data = SimpleNamespace(net=net, processor=processor, train=train, photos=2, labels=labels, text=[None] * 3)
    data.trains_encoder, data.stages = True, 0
    return kind(data, Settings(Data([]), optim=Optimisation(**({"augment": False} | optim))))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `questions.jsonl` and `photos/`, and `text.jsonl.gz`: questions that name their photo only."""
    return once(tmp_path_factory, "world", fill_world)


def fill_world(folder: Path) -> None:
    write_world(folder, SCENES, seed=5, questions_per_scene=QUESTIONS, workers=1)
    rows = [{"question": f"what is scene{i} about?", "answer": "red", "image_id": i} for i in range(SCENES)]
    with gzip.open(folder / "text.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="session")
def flags(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Flags:
    """`flags(output, "--seed=2")`: the command line of a small run of all three tasks, with more flags after it."""
    config = tmp_path_factory.mktemp("flags") / "run.yaml"
    config.write_text(f"""
data: {{train: [{world}/questions.jsonl], images: [{world}/photos], text: {world}/text.jsonl.gz, holdout: 0.2,
  validation_share: 0.2}}
model: {{backbone: tiny, pretrained: null, image_size: 64, embedding_size: 8, hidden_size: 16, attention_size: 16,
  fusion_size: 16, blind_size: 8, image_only_size: 8, dropout: 0.1}}
optim: {{epochs: 3, head_epochs: 2, batch_size: 32, rate: 0.01, encoder_rate: 1.0, average: 0.9}}
""")
    return lambda output, *more: [f"--config={config}", f"--output={output}", *more]


@pytest.fixture(scope="session")
def fitted(flags: Flags, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The run of `flags`, end to end and unbroken."""

    def fit(folder: Path) -> None:
        from train.fit import main

        printed = io.StringIO()
        with alike(), redirect_stdout(printed):
            assert main(flags(folder / "run")) == 0
        (folder / "printed.txt").write_text(printed.getvalue())

    folder = once(tmp_path_factory, "fitted", fit)
    return Fitted(folder / "run", (folder / "printed.txt").read_text())
