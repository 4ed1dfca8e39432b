"""The spread of several runs."""

import json
from pathlib import Path

import pytest

from tools.spread import main


def run(folder: Path, exact: float, n: int = 10, **more: object) -> Path:
    folder.mkdir()
    content = {
        "n": n,
        "data": {"files": ["a.jsonl"]},
        "metrics": {"exact": exact, "official": None, "by_answer_type": {"other": exact / 2}},
        "baselines": {"question_only": 30.0},
        "calibration": {"ece": 4.0},
    }
    (folder / "results.json").write_text(json.dumps(content | more))
    return folder


def test_mean_and_deviation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(run(tmp_path / str(value), value)) for value in (40.0, 42.0, 44.0)]
    assert main([*folders, "--output", str(tmp_path / "seeds.json")]) == 0
    found = json.loads((tmp_path / "seeds.json").read_text())
    assert (found["n"], found["runs"]) == (10, 3)
    assert found["figures"]["exact"] == {"values": [40.0, 42.0, 44.0], "mean": 42.0, "deviation": 2.0}
    assert found["figures"]["other"]["deviation"] == 1.0
    assert "official" not in found["figures"] and "lost when photos are swapped" not in found["figures"]
    printed = capsys.readouterr().out
    assert "| exact | 42.0 | 2.0 | 40.0, 42.0, 44.0 |" in printed and "calibration error (ECE)" in printed


def test_a_figure_that_one_run_lacks_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run(tmp_path / "one", 1.0)), str(run(tmp_path / "two", 2.0, calibration={}))]) == 0
    assert "calibration error (ECE)" not in capsys.readouterr().out


def test_incomparable_runs_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = str(run(tmp_path / "one", 1.0)), str(run(tmp_path / "other", 1.0, n=11))
    for arguments, sentence in (
        ([one], "One run has no deviation"),
        ([one, other], "about different questions"),
        ([one, str(tmp_path / "none")], "cannot be read"),
    ):
        assert main(arguments) == 2
        assert sentence in capsys.readouterr().err
    (tmp_path / "one/results.json").write_text("[]")
    assert main([one, other]) == 2
    assert "has no metrics" in capsys.readouterr().err
