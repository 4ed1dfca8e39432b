import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.data.refusal import refusal
from vqa.checkpoint.auxiliary import find_bundle, load_bundle, save_bundle


def build(config: dict[str, Any]) -> nn.Linear:
    return nn.Linear(config["size"], 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_bundle(tmp_path / "m", "line", {"size": 3}, nn.Linear(3, 2), results={"bits": 1.5}, README="# Line\n")
    return tmp_path / "m"


def test_what_was_saved_is_read(folder: Path) -> None:
    net, config = load_bundle(find_bundle("line", folder), "line", build)
    torch.manual_seed(0)
    assert torch.allclose(net.weight, nn.Linear(3, 2).weight, atol=1e-3) and net.weight.dtype == torch.float32
    assert (config, net.training) == ({"model_type": "line", "size": 3}, False)
    assert json.loads((folder / "results.json").read_text()) == {"bits": 1.5}
    assert (folder / "README.md").read_text() == "# Line\n"


def test_what_cannot_be_read_is_reported(folder: Path, tmp_path: Path) -> None:
    assert "There is no checkpoint in" in refusal(find_bundle, "line", tmp_path)
    assert "The bundled model 'nothing' is missing" in refusal(find_bundle, "nothing")
    assert "no checkpoint of type 'other'" in refusal(load_bundle, folder, "other", build)
    for content, told in (({"model_type": "line"}, "is broken"), ({"model_type": "line", "size": 4}, "shape")):
        (folder / "config.json").write_text(json.dumps(content))
        assert told in refusal(load_bundle, folder, "line", build)
    (folder / "config.json").write_text('{"model_type": "line", "size": 3}')
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert "cannot be read" in refusal(load_bundle, folder, "line", build)


def test_reading_imports_nothing_that_takes_seconds() -> None:
    read = "from vqa.language.complete import Completer; Completer.load()"
    code = f"import sys; {read}; sys.exit(bool({{'torch._dynamo', 'transformers'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
