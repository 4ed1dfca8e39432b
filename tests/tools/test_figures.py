import json

import pytest

from tools import figures
from vqa.model.errors import InputError

ROW = {"n": 4, "model": 50.0, "question_only": 25.0, "image_only": 12.5, "majority": 12.5, "upper_bound": 100.0}
RESULTS = {
    "n": 4,
    "metrics": {"official": 41.25, "n_official": 2},
    "data": {"files": ["questions_val.jsonl"]},
    "command": "vqa evaluate --data questions_val.jsonl",
    "environment": {"revision": "0123456789abcdef"},
    "calibration": {"ece": 4.5, "selective": [{"coverage": 25, "accuracy": 71.6, "threshold": 60.0}]},
    "grounding": {
        "photo_swap": {"drop": 14.5, "interval": [13.1, 15.9]},
        "deletion": {
            "n": 4,
            **{f"drop_{kind}": drop for kind, drop in (("attended", 2.25), ("random", 1.75), ("centre", 2.0))},
            "confidence_excess": 2.2,
            "centre_confidence_excess": 0.31,
            "centre_confidence_interval": [-0.1, 0.8],
        },
    },
    "robustness": {"variants": {"typos": {"n": 3, "drop": 4.7, "interval": [3.5, 5.9]}}},
    "tables": {"overall": ROW, "by_answer_type": {"yes/no": ROW}, "by_source": {"vqa-v2": ROW}},
}
END = "<!-- /figures -->\n"
README = f"# Title\n<!-- figures: accuracy -->\nold\n{END}rest\n"
PAGE = README + "".join(f"<!-- figures: {name} -->\n{END}" for name in ("seeds", "looking", "speed"))


def test_only_the_text_between_the_markers_changes(tmp_path, monkeypatch):
    names = ("README.md", "figures.md", "bench.json", "results.json", "seeds.json")
    readme, page, bench, results, seeds = (tmp_path / name for name in names)
    readme.write_text(README)
    page.write_text(PAGE)
    bench.write_text(json.dumps({"threads": 2, "training, questions/s": 1234.56}))
    results.write_text(json.dumps(RESULTS))
    seeds.write_text(json.dumps({"runs": 3, "figures": {"exact": {"mean": 43.14, "deviation": 0.09, "values": []}}}))
    monkeypatch.setattr(figures, "RESULTS", results)
    monkeypatch.setattr(figures, "SEEDS", seeds)
    monkeypatch.setattr("sys.argv", ["figures", "--pages", str(readme), str(page), "--bench", str(bench)])
    assert figures.main() == 0
    text = page.read_text()
    assert text.startswith("# Title\n<!-- figures: accuracy -->\n| questions | n |")
    assert "| vqa-v2 | 4 | 50.0 | 25.0 |" in text and "41.25" in text and "old" not in text
    assert "| training, questions/s | 1,234.6 |" in text and "| threads | 2 |" in text
    assert "of the 25% most confident answers, 72% are correct" in text and "revision 0123456789." in text
    assert "| different photo | 4 | 14.5 | 13.1 to 15.9 |\n| attended region covered | 4 | 2.2 |  |" in text
    assert "| typos | 3 | 4.7 | 3.5 to 5.9 |" in text and "0.3 (95% -0.1 to 0.8) more" in text
    assert "of 3 runs that differ in their seed: exact 43.1 ± 0.1." in text
    assert text.count("<!-- /figures -->") == 4 and "\nrest\n" in text
    assert readme.read_text() == text[: text.index("<!-- figures: seeds")]
    assert figures.main() == 0 and page.read_text() == text  # a second run changes nothing


def test_missing_markers_are_reported(tmp_path):
    with pytest.raises(InputError, match="no markers"):
        figures.fill({tmp_path / "README.md": "# Title\n"}, "accuracy", "table")
