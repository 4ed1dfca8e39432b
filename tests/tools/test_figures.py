"""Published figures are those of the measurements' files."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tools import figures
from tools.figures import fast, main, speed
from vqa.checkpoint.card import model_card
from vqa.model.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies of the pages with markers."""
    monkeypatch.chdir(ROOT)
    return [Path(shutil.copy(page, tmp_path)) for page in figures.PAGES]


def test_the_pages_and_the_card_report_the_same_evaluation(pages: list[Path]) -> None:
    for page in pages:
        marked = r"(<!-- figures: \w+ -->\n).*?(<!-- /figures -->)"
        page.write_text(re.sub(marked, r"\1old\n\2", page.read_text(), flags=re.DOTALL))
    assert main(["--pages", *map(str, pages)]) == 0
    for page, published in zip(pages, figures.PAGES, strict=True):
        assert page.read_text() == published.read_text(), "run make figures"
    card = (ROOT / "assets/model/README.md").read_text()
    assert card == model_card(ROOT / "assets/model"), "run python -m vqa.checkpoint.refresh assets/model --card"
    results = json.loads(figures.RESULTS.read_text())
    for text in (card, *(page.read_text() for page in pages)):
        assert str(results["metrics"]["official"]) in text and str(results["calibration"]["ece"]) in text
        assert f"`{results['command']}`, revision {results['environment']['revision'][:10]}." in text


def test_speed_is_published_with_the_machine() -> None:
    rows = speed({"machine": "A processor, 2 threads", "precision": "float32", "ask, ms": 1234.56, "ratio": "1.20"})
    head = "| `make bench` on A processor, 2 threads, float32 | |\n|---|--:|"
    assert rows == f"{head}\n| ask, ms | 1,234.6 |\n| ratio | 1.20 |"


TIMED = {
    "machine": "A processor",
    "precision": "float32",
    "bundled model, new photo, ms": 20.4,
    "bundled model, same photo, ms": 2.0,
    "bundled model, new photo, times as fast as ViLT-B/32": 9.6,
    "bundled model, same photo, times as fast as ViLT-B/32": 9.6,
}


def test_speed_beside_another_model() -> None:
    sentence = "takes 20 ms, 10 times as fast as ViLT-B/32, and the next one 2.0 ms, 10 times as fast"
    assert fast(TIMED) == f"A question about a new photo {sentence} (`make bench` on A processor, float32)."
    for name in TIMED:
        with pytest.raises(InputError, match=f"lacks a figure or has a wrong one .*{name}"):
            fast({key: value for key, value in TIMED.items() if key != name})
    for value in (None, "slow", [1.0], float("nan"), float("inf"), -1.0):
        with pytest.raises(InputError, match="lacks a figure or has a wrong one"):
            fast(TIMED | {"bundled model, new photo, ms": value})


def test_missing_markers_and_measurements_are_reported(
    pages: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--pages", *map(str, pages), "--bench", str(tmp_path / "bench.json")]
    assert main(arguments) == 2
    assert "bench.json cannot be read" in capsys.readouterr().err
    (tmp_path / "bench.json").write_text("{")
    assert main(arguments) == 2
    assert "bench.json is not JSON" in capsys.readouterr().err
    pages[1].write_text("# Figures\n")
    assert main(arguments[:-2]) == 2
    assert "no markers '<!-- figures: accuracy -->'" in capsys.readouterr().err
