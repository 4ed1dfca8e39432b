import importlib
import inspect
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

import vqa
from vqa import cli
from vqa.predict import VQA

QUESTION = "what is on the table?"


@pytest.fixture
def ask(tiny_checkpoint, photo):
    """Run `vqa ask` on the photo in this process, with the small model."""
    return lambda *arguments: cli.main(["ask", str(photo), "--model", str(tiny_checkpoint), *arguments])


def test_json_is_what_the_python_call_gives(ask, capsys, photo, tiny_checkpoint):
    """A line for each question."""
    questions = [QUESTION, "what color is the cat?"]
    assert ask(*questions, "--json", "--top", "3") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [answer.to_dict() for answer in VQA.load(tiny_checkpoint).ask_many(photo, questions, top=3)]
    for answer in (*said, *expected):
        assert answer.pop("seconds")
    assert said == expected


def test_a_person_reads_everything_that_the_model_says(ask, capsys, photo, tiny_checkpoint):
    question = "what is on the [bold]zebra[/bold]?"  # square brackets are no markup here
    assert ask(question) == 0
    text = capsys.readouterr().out
    answer = VQA.load(tiny_checkpoint).ask(photo, question)
    for name, score in answer.top:
        assert any(name in line and f"{score:.1%}" in line for line in text.splitlines())
    assert ("not sure, perhaps" in text, "caution" in text) == (not answer.sure, answer.guess)
    for part in (
        *(question, f"{answer.text}  ({answer.confidence:.0%})", f"{answer.blind.answer} ({answer.blind.score:.0%})"),
        *(f"the {answer.words[3].weight:.0%}", f"glimpse {answer.glimpse + 1} carried the answer"),
        *("without looking", "looked at", "seconds", "words not known"),
    ):
        assert part in text


def test_overlay_is_written_for_each_question(ask, tmp_path):
    assert ask(QUESTION, "--overlay", str(tmp_path / "one.png")) == 0
    assert ask(QUESTION, "cat", "--overlay", str(tmp_path / "two.webp")) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"photo.png", "one.png", "two-1.webp", "two-2.webp"}
    for name in names - {"photo.png"}:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 3 * 400  # the photo and two glimpses


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["missing.jpg", QUESTION], "There is no photo missing.jpg; check its name and place.\n"),
        (["photo.png", QUESTION, "--overlay", "missing/out.png"], "no folder missing"),
        (["photo.png", QUESTION, "--overlay", "out.tiff"], "out.tiff has no known format"),
        (["photo.png", QUESTION, "--overlay", "out"], "out has no known format"),
        (["photo.png", QUESTION, "--overlay", ""], "has no known format"),
    ],
)
def test_a_bad_path_is_reported_before_anything_is_computed(capsys, photo, monkeypatch, command, message):
    monkeypatch.chdir(photo.parent)
    monkeypatch.setattr(VQA, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    assert cli.main(["ask", *command]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vqa: ") and message in error
    assert list(photo.parent.iterdir()) == [photo]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["ask", "photo.png", ""], "The question is empty"),
        (["ask", "photo.png", "what \udcff"], "cannot be read as text"),  # an argument that was no UTF-8
        (["ask", "photo.png", "zyzzyva"], "knows none of the words"),
        *((["ask", photos, QUESTION, "--top", "0"], "ask for at least 1") for photos in ("photo.png", ".")),
        (["ask", "photo.png", QUESTION, "--device", "abacus"], "The device 'abacus'"),
        (["ask", "photo.png", QUESTION, "--model", "./none"], "There is no model folder ./none"),
        (["ui", "--port", "70000"], "choose one from 1 to 65535"),
        (["repair", ""], "The question is empty"),
        (["repair", "a" * 151], "has 151 characters"),
        (["repair", "猫は何色ですか"], "in letters that this model never learned"),
        (["repair", "waht?", "--alignment", "nowhere/a.svg"], "nowhere/a.svg cannot be read or written (No such file"),
        (["repair", "waht?", "--model", "nowhere"], "There is no checkpoint in nowhere"),
        (["complete", "what", "--top", "0"], "The number of completions is 0"),
        (["complete", "what", "--temperature", "-1"], "The temperature is -1.0"),
        (["complete", "a" * 301], "has 301 characters"),
        (["complete", "what", "--model", "nowhere"], "There is no checkpoint in nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, photo, tiny_checkpoint, monkeypatch, command, message):
    monkeypatch.chdir(photo.parent)
    model = ["--model", str(tiny_checkpoint)] if command[0] in ("ask", "ui") and "--model" not in command else []
    assert cli.main([*command, *model]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("vqa: ") and message in error and error.count("\n") == 1


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
    for wrong in (["ask", "a.jpg", "what?", "--none", "1"], ["compare", "a", "b", "c"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main(wrong)


@pytest.mark.parametrize(
    ("command", "target", "given"),
    [
        ("evaluate", "vqa.evaluation.options:Options", "--data d --swap-photos --runtime onnx"),
        ("compare", "vqa.evaluation.compare:compare", "a b --seed 1"),
        ("train", "train.own_data:train", "d --images i --start m --minutes 3"),
        ("publish", "vqa.cli:publish", "m --space ann/birds --static --upload"),
        ("export-page", "vqa.cli:export_page", "--output o --model m --fetch --onnxruntime-web d"),
        ("ui", "ui.app:launch", "--compare a b --auth n:p --mcp --window --port 80 --root-path /g"),
        ("ask", "vqa.cli:ask", "photo.jpg what? --json --csv a.csv --top 3"),
        ("describe", "vqa.cli:describe", "photo.jpg --temperature 1 --jsonl a.jsonl"),
        ("complete", "vqa.cli:complete", "what"),
        ("repair", "vqa.cli:repair", "waht"),
    ],
)
def test_every_flag_is_a_parameter(command, target, given, capsys):
    """A flag or a parameter that is renamed alone would end in a traceback."""
    arguments = vars(cli.build_parser().parse_args([command, *given.split()]))
    assert arguments.pop("command") is getattr(cli, command.replace("-", "_"))
    module, _, name = target.partition(":")
    inspect.signature(getattr(importlib.import_module(module), name)).bind(**arguments)
    for option in (part for part in given.split() if part.startswith("--") and part not in ("--json", "--upload")):
        assert arguments[option.strip("-").replace("-", "_")] not in (None, False, []), option
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert command in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"glimpse-vqa {vqa.__version__}\n"


def test_as_a_user_runs_it(tmp_path, tiny_checkpoint):
    """In a process of its own a sentence and nothing else; test_package.py has one that answers."""
    (tmp_path / "text.jpg").write_text("no photo")
    command = [sys.executable, "-m", "vqa.cli", "ask", "text.jpg", QUESTION, "--model", str(tiny_checkpoint)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("vqa: ") and "is not a JPEG" in result.stderr


def test_a_closed_pipe_is_no_error():
    """`vqa ask … | head -0`, with a command that only prints."""
    code = "from vqa import cli\ndef ask(**_): print(1)\ncli.ask = ask\nexit(cli.main(['ask', 'photo.jpg', 'what?']))"
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (result.returncode, result.stderr) == (0, "")


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
