import json
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.train.refused import refused
from train.gradient_flow import COMPARISONS, compare, copy_task, main

QUESTIONS = [f"what color is the cat on the {word}?" for word in "abcdefghijklmnop"]


@pytest.fixture
def flags(tmp_path: Path, tiny_checkpoint: Path) -> list[str]:
    (tmp_path / "questions.txt").write_text("\n".join([*QUESTIONS, "Why?"]))
    return ["--questions", str(tmp_path / "questions.txt"), "--model", str(tiny_checkpoint), "--output"]


def test_every_comparison_is_written(tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, str(tmp_path / "new"), "--steps", "12"]) == 0
    report = json.loads((tmp_path / "new/gradient_flow.json").read_text())
    assert report["steps"] == 12 and report["questions"] == QUESTIONS
    assert set(report["comparisons"]) == {f"{task}-{name}" for task in ("copy", "questions") for name in COMPARISONS}
    for key, comparison in report["comparisons"].items():
        task, name = key.split("-", 1)
        ElementTree.parse(tmp_path / f"new/{key}.svg")
        assert set(comparison["curves"]) == set(COMPARISONS[name][1])
        steps = {len(layer) for curve in comparison["curves"].values() for layer in curve["h"]}
        assert steps == {12 if task == "copy" else 8}
    printed = capsys.readouterr().out
    assert "16 questions of 8 words" in printed and "16 charts" in printed


def test_every_setting_is_measured() -> None:
    """Three cells, 1 to 4 layers, forget bias 0 and 1, small and large weights; each before and after clipping."""
    rows = [setting for name in COMPARISONS for setting in COMPARISONS[name][1].values() if name.startswith("layers-")]
    found = {(row["cell"], row.get("forget_bias"), row["layers"], row["scale"], row["clip"]) for row in rows}
    cells = (("rnn", None), ("gru", None), ("lstm", 0.0), ("lstm", 1.0))
    assert found == {(*cell, layers, scale, 1.0) for cell in cells for layers in (1, 2, 3, 4) for scale in (0.9, 3.0)}


def test_the_chart_of_clipping_is_bounded(tmp_path: Path) -> None:
    compare("clipping", partial(copy_task, steps=40, seed=0), tmp_path, "copy")
    root = ElementTree.parse(tmp_path / "copy-clipping.svg").getroot()
    free, clipped = (
        [float(point.split(",")[1]) for point in line.get("points", "").split()]
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert all(below > above + 20 for below, above in zip(clipped, free, strict=True))  # lower on the page


def test_bad_input_is_reported(tmp_path: Path, flags: list[str]) -> None:
    assert "choose 2 to 1000" in refused(main, *flags, tmp_path / "new", "--steps", "1")
    (tmp_path / "file").write_text("")
    assert "cannot be read or written" in refused(main, *flags, tmp_path / "file")
    (tmp_path / "questions.txt").write_text("Why?\nWho is it?")
    assert "give more questions" in refused(main, *flags, tmp_path / "new")
