"""A small drawn world, and the flags of a run that learns it in seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vqa.data.world import write_world

SCENES = 60


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `questions.jsonl` and `photos/`: 60 scenes, four questions each."""
    folder = tmp_path_factory.mktemp("worlds") / "world"
    write_world(folder, SCENES, seed=5, questions_per_scene=4, workers=1)
    return folder


@pytest.fixture(scope="session")
def flags(world: Path) -> Callable[..., list[str]]:
    """`flags(output, "--seed", "2")`: the command line of a small run, with more flags after it."""

    def make(output: Path, *more: str) -> list[str]:
        settings = {
            "output": output,
            "data.train": f"[{world / 'questions.jsonl'}]",
            "data.images": f"[{world / 'photos'}]",
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
            "optim.epochs": 2,
            "optim.head_epochs": 1,
            "optim.batch_size": 32,
            "optim.encoder_rate": 1.0,
            "optim.precision": "no",
        }
        return [*(f"--{name}={value}" for name, value in settings.items()), *more]

    return make
