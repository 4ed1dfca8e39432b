import json

import pytest

from train import figures
from vqa.errors import InputError

ROW = {"n": 4, "model": 50.0, "question_only": 25.0, "image_only": 12.5, "majority": 12.5, "upper_bound": 100.0}
RESULTS = {
    "metrics": {"official": 41.25, "n_official": 2},
    "data": {"files": ["questions_val.jsonl"]},
    "tables": {"overall": ROW, "by_answer_type": {"yes/no": ROW}, "by_source": {"vqa-v2": ROW}},
}
README = (
    "# Title\n<!-- figures: accuracy -->\nold\n<!-- /figures -->\nrest\n<!-- figures: speed -->\n<!-- /figures -->\n"
)


def test_the_figures_stand_between_the_markers_and_nothing_else_changes(tmp_path, monkeypatch):
    readme, bench, results = (tmp_path / name for name in ("README.md", "bench.json", "results.json"))
    readme.write_text(README)
    bench.write_text(json.dumps({"threads": 2, "training, questions/s": 1234.56}))
    results.write_text(json.dumps(RESULTS))
    monkeypatch.setattr(figures, "RESULTS", results)
    monkeypatch.setattr("sys.argv", ["figures", "--readme", str(readme), "--bench", str(bench)])
    assert figures.main() == 0
    text = readme.read_text()
    assert text.startswith("# Title\n<!-- figures: accuracy -->\n| questions | n |")
    assert "| vqa-v2 | 4 | 50.0 | 25.0 |" in text and "41.25" in text and "old" not in text
    assert "| training, questions/s | 1,234.6 |" in text and "| threads | 2 |" in text
    assert text.count("<!-- /figures -->") == 2 and "\nrest\n" in text
    assert figures.main() == 0 and readme.read_text() == text  # again: the same


def test_a_readme_without_markers_is_told():
    with pytest.raises(InputError, match="no markers"):
        figures.fill("# Title\n", "accuracy", "table")
