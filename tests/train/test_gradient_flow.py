import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from train.gradient_flow import COMPARISONS, main

QUESTIONS = [f"what color is the cat on the {word}?" for word in "abcdefghijklmnop"]


@pytest.fixture
def flags(tmp_path: Path, tiny_checkpoint: Path) -> list[str]:
    (tmp_path / "questions.txt").write_text("\n".join([*QUESTIONS, "Why?"]))
    return ["--questions", str(tmp_path / "questions.txt"), "--model", str(tiny_checkpoint), "--output"]


def test_every_comparison_is_written(tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, str(tmp_path / "new"), "--steps", "12"]) == 0
    told = json.loads((tmp_path / "new/gradient_flow.json").read_text())
    assert told["steps"] == 12 and told["questions"] == QUESTIONS
    assert set(told["comparisons"]) == {f"{task}-{name}" for task in ("copy", "questions") for name in COMPARISONS}
    for key, comparison in told["comparisons"].items():
        task, name = key.split("-", 1)
        ElementTree.parse(tmp_path / f"new/{key}.svg")
        assert set(comparison["curves"]) == set(COMPARISONS[name][1])
        steps = {len(layer) for curve in comparison["curves"].values() for layer in curve["h"]}
        assert steps == {12 if task == "copy" else 8}
    shown = capsys.readouterr().out
    assert "16 questions of 8 words" in shown and "16 pictures" in shown


def test_every_setting_is_measured() -> None:
    """Three cells, 1 to 4 layers, forget bias 0 and 1, small and large weights; each before and after clipping."""
    rows = [setting for name in COMPARISONS for setting in COMPARISONS[name][1].values() if name.startswith("layers-")]
    found = {(row["cell"], row["layers"], row.get("forget_bias"), row["scale"], row["clip"]) for row in rows}
    wanted = {
        (cell, layers, bias, scale, 1.0)
        for cell, biases in (("rnn", [None]), ("gru", [None]), ("lstm", [0.0, 1.0]))
        for bias in biases
        for layers in (1, 2, 3, 4)
        for scale in (0.9, 3.0)
    }
    assert found == wanted


def test_the_picture_of_clipping_shows_what_it_bounds(tmp_path: Path, flags: list[str]) -> None:
    assert main([*flags, str(tmp_path / "new"), "--steps", "40"]) == 0
    root = ElementTree.parse(tmp_path / "new/copy-clipping.svg").getroot()
    free, clipped = (
        [float(point.split(",")[1]) for point in line.get("points", "").split()]
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert all(below > above + 20 for below, above in zip(clipped, free, strict=True))  # lower on the page


def test_what_cannot_be_is_told(tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, str(tmp_path / "new"), "--steps", "1"]) == 2
    (tmp_path / "file").write_text("")
    assert main([*flags, str(tmp_path / "file")]) == 2
    (tmp_path / "questions.txt").write_text("Why?\nWho is it?")
    assert main([*flags, str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert "choose 2 to 1000" in told and "cannot be written" in told and "give more questions" in told
