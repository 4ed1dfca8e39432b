import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

import vqa
from vqa import cli
from vqa.predict import VQA

QUESTION = "what is on the table?"


@pytest.fixture
def ask(tiny_checkpoint, photo):
    """Run `vqa ask` on the photo in this process, with the small model."""
    return lambda *arguments: cli.main(["ask", str(photo), "--model", str(tiny_checkpoint), *arguments])


def run(*arguments: str, **settings) -> subprocess.CompletedProcess:
    """Run `vqa` as a user does."""
    return subprocess.run([sys.executable, "-m", "vqa.cli", *arguments], capture_output=True, text=True, **settings)


def test_json_is_what_the_python_call_gives(ask, capsys, photo, tiny_checkpoint):
    assert ask(QUESTION, "--json", "--top", "3") == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    content = json.loads(output)
    schema = json.loads((Path(vqa.__file__).parent / "schemas" / "answer.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(content)
    expected = VQA.load(tiny_checkpoint).ask(photo, QUESTION, top=3).to_dict()
    del content["seconds"], expected["seconds"]
    assert content == expected
    assert len(content["top"]) == 3


def test_several_questions_give_a_json_line_each(ask, capsys):
    assert ask(QUESTION, "what color is the cat?", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    words = [[word["word"] for word in json.loads(line)["words"]] for line in lines]
    assert words == [["what", "is", "on", "the", "table"], ["what", "color", "is", "the", "cat"]]


def test_a_person_reads_everything_that_the_model_says(ask, capsys, photo, tiny_checkpoint):
    question = "what is on the [bold]zebra[/bold]?"  # square brackets are no markup here
    assert ask(question) == 0
    text = capsys.readouterr().out
    answer = VQA.load(tiny_checkpoint).ask(photo, question)
    assert question in text
    assert f"{answer.text}  ({answer.confidence:.0%})" in text
    for name, score in answer.top:
        assert any(name in line and f"{score:.1%}" in line for line in text.splitlines())
    assert f"{answer.blind.answer} ({answer.blind.score:.0%})" in text
    assert f"the {answer.words[3].weight:.0%}" in text
    assert "words not known" in text
    assert ("not sure, perhaps" in text, "caution" in text) == (not answer.sure, answer.guess)
    assert f"glimpse {answer.glimpse + 1} carried the answer" in text
    for label in ("without looking", "looked at", "seconds", "zebra"):
        assert label in text


def test_overlay_is_written_for_each_question(ask, tmp_path):
    assert ask(QUESTION, "--overlay", str(tmp_path / "one.png")) == 0
    assert ask(QUESTION, "cat", "--overlay", str(tmp_path / "two.webp")) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"photo.png", "one.png", "two-1.webp", "two-2.webp"}
    for name in names - {"photo.png"}:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 3 * 400  # the photo and two glimpses


@pytest.mark.parametrize("target", ["missing/out.png", "out.tiff", "out"])
def test_a_bad_overlay_path_is_reported_before_anything_is_computed(ask, capsys, tmp_path, monkeypatch, target):
    monkeypatch.setattr(VQA, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    assert ask(QUESTION, "--overlay", str(tmp_path / target)) == 2
    assert capsys.readouterr().err.startswith("vqa: ")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_missing_photo_is_reported_before_the_model_loads(capsys, monkeypatch):
    monkeypatch.setattr(VQA, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    assert cli.main(["ask", "missing.jpg", QUESTION]) == 2
    assert capsys.readouterr().err == "vqa: There is no photo missing.jpg; check its name and place.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "The question is empty"),
        (["what \udcff"], "cannot be read as text"),  # an argument that was no UTF-8
        (["zyzzyva"], "knows none of the words"),
        ([QUESTION, "--top", "0"], "ask for at least 1"),
        ([QUESTION, "--device", "abacus"], "The device 'abacus'"),
        ([QUESTION, "--overlay", ""], "has no known format"),
        ([QUESTION, "--model", "./none"], "There is no model folder ./none"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(ask, capsys, arguments, message):
    assert ask(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_bad_question_does_not_cancel_the_others(ask, capsys, tmp_path):
    assert ask("zyzzyva", QUESTION, "--json", "--overlay", str(tmp_path / "out.png")) == 1
    captured = capsys.readouterr()
    bad, good = map(json.loads, captured.out.splitlines())
    assert bad["question"] == "zyzzyva" and "knows none of the words" in bad["error"] and "answer" in good
    assert captured.err == "vqa: 1 of 2 could not be answered; the reasons are with them.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.png", "photo.png"]


def test_options_may_stand_between_photos_and_questions(tiny_checkpoint, photo, capsys):
    given = cli.build_parser().parse_args(["ask", "a.jpg", "b.jpg", "--top", "2", "what?", "--json", "who?"])
    assert given.inputs == ["a.jpg", "b.jpg", "what?", "who?"] and given.top == 2 and given.as_json
    assert cli.main(["ask", str(photo), "--model", str(tiny_checkpoint), QUESTION, "--json"]) == 0
    with pytest.raises(SystemExit):
        cli.main(["ask", "a.jpg", "what?", "--none", "1"])
    with pytest.raises(SystemExit):
        cli.main(["compare", "a", "b", "c"])


@pytest.mark.parametrize(
    ("command", "target", "given"),
    [
        ("evaluate", "vqa.evaluation.options:Options", ["--data", "d", "--swap-photos", "--runtime", "onnx"]),
        ("compare", "vqa.evaluation.compare:compare", ["a", "b", "--seed", "1"]),
        ("train", "train.own_data:train", ["d", "--images", "i", "--start", "m", "--minutes", "3"]),
        ("publish", "vqa.cli:publish", ["m", "--space", "ann/birds", "--static", "--upload"]),
        ("export-page", "vqa.cli:export_page", ["--output", "o", "--model", "m", "--fetch", "--onnxruntime-web", "d"]),
        (
            "ui",
            "ui.app:launch",
            ["--compare", "a", "b", "--auth", "ann:secret", "--mcp", "--window", "--port", "80", "--root-path", "/g"],
        ),
        ("ask", "vqa.cli:ask", ["photo.jpg", "what?", "--json", "--csv", "a.csv", "--top", "3"]),
        ("describe", "vqa.cli:describe", ["photo.jpg", "--temperature", "1", "--jsonl", "a.jsonl"]),
        ("complete", "vqa.cli:complete", ["what"]),
        ("repair", "vqa.cli:repair", ["waht"]),
    ],
)
def test_every_flag_is_a_parameter(command, target, given, capsys):
    """A flag or a parameter that is renamed alone would end in a traceback."""
    arguments = vars(cli.build_parser().parse_args([command, *given]))
    assert arguments.pop("command") is getattr(cli, command.replace("-", "_"))
    module, _, name = target.partition(":")
    inspect.signature(getattr(importlib.import_module(module), name)).bind(**arguments)
    for option in (part for part in given if part.startswith("--") and part not in ("--json", "--upload")):
        assert arguments[option.strip("-").replace("-", "_")] not in (None, False, []), option
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert command in capsys.readouterr().out


def test_a_bad_port_is_reported(capsys, tiny_checkpoint):
    assert cli.main(["ui", "--port", "70000", "--model", str(tiny_checkpoint)]) == 2
    assert "choose one from 1 to 65535" in capsys.readouterr().err


def test_version():
    assert run("--version").stdout == f"glimpse-vqa {vqa.__version__}\n"


def test_as_a_user_runs_it(tmp_path, tiny_checkpoint):
    """In a process of its own a sentence and nothing else; test_package.py has one that answers."""
    (tmp_path / "text.jpg").write_text("no photo")
    result = run("ask", "text.jpg", QUESTION, "--model", str(tiny_checkpoint), cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("vqa: ") and "is not a JPEG" in result.stderr


def test_a_closed_pipe_is_no_error():
    """`vqa ask … | head -0`, with a command that only prints."""
    code = "from vqa import cli\ndef ask(**_): print(1)\ncli.ask = ask\nexit(cli.main(['ask', 'photo.jpg', 'what?']))"
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert result.stderr == ""
    assert result.returncode == 0


def test_completions_are_printed_with_their_probabilities(capsys):
    assert cli.main(["complete", "how many peo", "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("%  how many people" in line for line in lines)
    for _ in range(2):
        assert cli.main(["complete", "what ", "--temperature", "0.8", "--seed", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and first.startswith("what ")


def test_a_repair_is_printed_and_drawn(capsys, tmp_path):
    assert cli.main(["repair", "whta colr is teh cat"]) == 0
    assert capsys.readouterr().out == "what color is the cat\n"
    picture = tmp_path / "alignment.svg"
    assert cli.main(["repair", "whta is it?", "--json", "--alignment", str(picture)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["typed"] == "whta is it?" and said["text"] == "what is it?" and said["changed"]
    assert [len(row) for row in said["alignment"]] == [11] * 11
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("repair", [""], "The question is empty"),
        ("repair", ["a" * 151], "has 151 characters"),
        ("repair", ["猫は何色ですか"], "in letters that this model never learned"),
        ("repair", ["waht?", "--alignment", "nowhere/a.svg"], "nowhere/a.svg cannot be read or written (No such file"),
        ("repair", ["waht?", "--model", "nowhere"], "There is no checkpoint in nowhere"),
        ("complete", ["what", "--top", "0"], "The number of completions is 0"),
        ("complete", ["what", "--temperature", "-1"], "The temperature is -1.0"),
        ("complete", ["a" * 301], "has 301 characters"),
        ("complete", ["what", "--model", "nowhere"], "There is no checkpoint in nowhere"),
    ],
)
def test_bad_text_is_one_sentence(capsys, command, arguments, message):
    assert cli.main([command, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("vqa: ") and error.count("\n") == 1
