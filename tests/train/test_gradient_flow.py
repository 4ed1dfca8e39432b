import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from train.gradient_flow import COMPARISONS, main


def test_every_comparison_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path / "new"), "--steps", "12"]) == 0
    told = json.loads((tmp_path / "new/gradient_flow.json").read_text())
    assert told["steps"] == 12 and set(told["comparisons"]) == set(COMPARISONS)
    for name, (_, settings) in COMPARISONS.items():
        ElementTree.parse(tmp_path / f"new/{name}.svg")
        curves = told["comparisons"][name]["curves"]
        assert set(curves) == set(settings)
        assert all(len(layer) == 12 for curve in curves.values() for layer in curve["h"])
    assert "5 pictures" in capsys.readouterr().out


def test_what_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path / "new"), "--steps", "1"]) == 2
    (tmp_path / "file").write_text("")
    assert main(["--output", str(tmp_path / "file")]) == 2
    told = capsys.readouterr().err
    assert "choose 2 to 1000" in told and "cannot be written" in told
