"""A Space for one's own model: put together here, pushed only when asked for, to a Hub that is played on loopback."""

import huggingface_hub
import pytest
import yaml

from ui.browser import runtime
from vqa import cli


def test_a_space_is_assembled_and_nothing_uploaded(tiny_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.0").mkdir()  # the model's own name is not taken for the Space
    assert cli.main(["publish", str(tiny_checkpoint), "--space", "ann/1.0"]) == 0
    printed = capsys.readouterr().out
    assert "1.0-space is a complete Space" in printed and "Nothing has left this computer" in printed
    front = yaml.safe_load((tmp_path / "1.0-space/README.md").read_text().split("---")[1])
    assert front["title"] == "1.0" and front["sdk"] == "gradio"
    assert (tmp_path / "1.0-space/assets/model/config.json").is_file()


def test_an_upload_sends_the_folder_or_the_hub_refuses_it(hub, tiny_checkpoint, tmp_path, capsys):
    output = tmp_path / "space"
    words = ["publish", str(tiny_checkpoint), "--output", str(output), "--upload", "--space"]
    assert cli.main([*words, "me/shapes"]) == 0
    assert f"It is on {hub.address}/spaces/me/shapes now." in capsys.readouterr().out
    assert hub.made[0]["type"] == "space" and hub.made[0]["sdk"] == "gradio"
    sent = hub.repositories["me/shapes"]
    for name in ("app.py", "README.md", "requirements.txt", "assets/model/model.safetensors", "vqa/predict.py"):
        assert sent[name] == (output / name).read_bytes()
    assert cli.main([*words, "you/shapes"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vqa: You may not write to you/shapes") and error.count("\n") == 1
    assert (output / "app.py").is_file()


@pytest.mark.parametrize(
    ("space", "how", "output", "message"),
    [
        *((name, "--upload", "new", "cannot be used") for name in ("ann/shapes/more", "a b", "-x")),
        ("shapes", "--upload", "new", "hf auth login"),
        ("a b", "--static", "new", "cannot be used"),
        ("ann/shapes", "--static", "", "holds something else"),
    ],
)
def test_what_cannot_be_used_is_reported_first(
    tiny_checkpoint, tmp_path, monkeypatch, capsys, space, how, output, message
):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(cli, "exported", lambda model: pytest.fail("exported"))
    (tmp_path / "mine.txt").touch()
    words = ["publish", str(tiny_checkpoint), f"--space={space}", "--output", str(tmp_path / output), how]
    assert cli.main(words) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_static_space_is_uploaded_whole(hub, tmp_path, monkeypatch, capsys):
    for name in runtime.SHA256:
        (tmp_path / name).write_bytes(b"a runtime")
    page = {"answers": b'["yes"]', "question": b"weights"}, {"name": "shapes", "tensors": {}}
    monkeypatch.setattr(cli, "exported", lambda model: (tmp_path, page))
    output = tmp_path / "space"
    words = ["publish", "shapes", "--static", "--output", str(output), "--upload", "--space", "me/shapes"]
    assert cli.main(words) == 0
    assert f"It is on {hub.address}/spaces/me/shapes now." in capsys.readouterr().out
    assert hub.made[0]["type"] == "space" and hub.made[0]["sdk"] == "static"
    files = {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert "index.html" in files and hub.repositories["me/shapes"] == files
