"""A Space for one's own model: put together here, pushed only when asked for, to a Hub that is played on loopback."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import yaml

from tests.fake_hub import FakeHub
from vqa import cli


def test_a_space_is_made_and_nothing_leaves(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes").mkdir()  # the model's own name is not taken for the Space
    assert cli.main(["publish", str(tiny_checkpoint), "--space", "ann/shapes"]) == 0
    told = capsys.readouterr().out
    assert "shapes-space is a complete Space" in told and "Nothing has left this computer" in told
    front = yaml.safe_load((tmp_path / "shapes-space/README.md").read_text().split("---")[1])
    assert front["title"] == "shapes" and front["sdk"] == "gradio"
    assert (tmp_path / "shapes-space/assets/model/config.json").is_file()


def test_the_training_settings_stay_here(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_checkpoint, tmp_path / "model")
    (model / "training.json").write_text('{"data": {"images": ["somewhere"]}}')
    assert cli.main(["publish", str(model), "--space", "shapes", "--output", str(tmp_path / "space")]) == 0
    assert not (tmp_path / "space/assets/model/training.json").exists()


def test_an_upload_sends_the_folder_with_the_users_login(
    hub: FakeHub, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "space"
    words = ["publish", str(tiny_checkpoint), "--space", "me/shapes", "--output", str(output), "--upload"]
    assert cli.main(words) == 0
    assert f"It is on {hub.address}/spaces/me/shapes now." in capsys.readouterr().out
    assert hub.made[0]["type"] == "space" and hub.made[0]["sdk"] == "gradio"
    sent = hub.repositories["me/shapes"]
    for name in ("app.py", "README.md", "requirements.txt", "assets/model/model.safetensors", "vqa/predict.py"):
        assert sent[name] == (output / name).read_bytes()


def test_what_the_hub_refuses_is_a_sentence(
    hub: FakeHub, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "space"
    words = ["publish", str(tiny_checkpoint), "--space", "you/shapes", "--output", str(output), "--upload"]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("vqa: You may not write to you/shapes") and error.count("\n") == 1
    assert (tmp_path / "space/app.py").is_file()


@pytest.mark.parametrize(
    ("space", "told"), [("ann/shapes/more", "cannot be used"), ("a b", "cannot be used"), ("-x", "cannot be used")]
)
def test_a_name_that_the_hub_does_not_take_is_told_first(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], space: str, told: str
) -> None:
    assert cli.main(["publish", str(tiny_checkpoint), f"--space={space}", "--output", str(tmp_path / "new")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_a_login_it_is_told_first(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    words = ["publish", str(tiny_checkpoint), "--space", "shapes", "--output", str(tmp_path / "space"), "--upload"]
    assert cli.main(words) == 2
    assert "hf auth login" in capsys.readouterr().err
    assert not (tmp_path / "space").exists()
