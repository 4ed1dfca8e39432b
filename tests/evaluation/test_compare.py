import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.evaluation.files import read_lines, write_lines
from vqa.cli import main
from vqa.evaluation.compare import compare
from vqa.model.errors import InputError


def evaluation(folder: Path, exact: np.ndarray, start: int = 0, official: bool = False) -> str:
    """What `vqa evaluate --output` leaves of these scores, two questions a photo; returns its results.json."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for i, x in enumerate(exact.tolist()):
        asked = {"photo": f"{(start + i) // 2}.jpg", "question": f"what is {(start + i) % 2}?", "reference": "cat"}
        kind = {"answer_type": "yes/no" if i % 4 else "number", "source": "a"}
        ten = {"model": 0.3 + 0.6 * int(x)} if official else None
        rows.append({**asked, **kind, "exact": {"model": int(x)}, "official": ten})
    write_lines(folder / "records.jsonl", [*rows, {"question_id": "without an answer", "exact": None}])
    (folder / "results.json").write_text("{}")
    return str(folder / "results.json")


def run(*names: str, **options: Any) -> tuple[dict[str, Any], str]:
    console = Console(file=io.StringIO(), width=200)
    return compare(*names, console=console, **options), console.file.getvalue()


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).random(400) < 0.4


def test_a_better_model_is_found(tmp_path, scores):
    better = scores | (np.random.default_rng(1).random(400) < 0.2)
    a, b = evaluation(tmp_path / "a", scores, official=True), evaluation(tmp_path / "b", better, official=True)
    found, told = run(a, str(tmp_path / "b"))
    figures = found["groups"]["all"]
    assert figures["first"] == pytest.approx(100 * scores.mean(), abs=0.01)
    assert figures["difference"] == pytest.approx(100 * (better.mean() - scores.mean()), abs=0.01)
    low, high = figures["interval"]
    assert 0 < low < figures["difference"] < high
    # the interval of a mean of paired differences, by the normal approximation over photos
    by_photo = (better.astype(float) - scores).reshape(-1, 2).mean(1)
    error = 196 * by_photo.std() / np.sqrt(len(by_photo))
    assert (high - low) / 2 == pytest.approx(error, rel=0.15)
    assert figures["sure"] > 0.99
    counts = {name: group["n"] for name, group in found["groups"].items()}
    assert counts == {"all": 400, "number": 100, "yes/no": 300, "a": 400}
    assert found["official"]["difference"] == pytest.approx(0.6 * figures["difference"], abs=0.02)
    back, told_back = run(b, a)
    assert back["groups"]["all"]["difference"] == -figures["difference"]
    for sentence, better in ((told, tmp_path / "b"), (told_back, b)):
        assert f"{better} is better by" in sentence
        assert f"(95% interval {low:.1f} to {high:.1f}; probability" in sentence


def test_questions_are_paired_by_their_text_and_right_answer(tmp_path, scores):
    """Also where one table lacks a row; those that are asked twice in turn; and none with another right answer."""
    a, b = evaluation(tmp_path / "a", scores), evaluation(tmp_path / "b", scores)
    file = tmp_path / "b" / "records.jsonl"
    _, *rows = read_lines(file)
    rows[0]["reference"] = "dog"
    write_lines(file, [*rows, rows[5] | {"reference": "cow"}])
    found, told = run(a, b)
    assert (found["questions"], found["only_first"], found["only_second"], found["other_answers"]) == (398, 1, 1, 1)
    assert found["groups"]["all"]["difference"] == 0
    assert f"1 questions have other right answers in {b}, and are left out." in told
    assert f"1 questions are only in {a}, and left out." in told
    write_lines(file, [row | {"reference": "dog"} for row in rows])
    with pytest.raises(InputError, match="share the right answer of no question"):
        compare(a, b)


def test_a_question_that_is_asked_twice_is_paired_in_any_order(tmp_path):
    """By its right answer; what has none does not count."""
    a, b = (evaluation(tmp_path / name, np.array([True, False, True, True])) for name in "ab")
    for number, folder in enumerate("ab"):
        file = tmp_path / folder / "records.jsonl"
        rows = read_lines(file)
        twice = [rows[0] | {"reference": "dog"}, rows[0] | {"reference": "cow", "exact": {"model": 0}}]
        twice[number]["question"] = twice[number]["question"].upper()
        none = [rows[0] | {"exact": None}] * number
        write_lines(file, [*none, *twice[:: 1 - 2 * number], *rows])
    found, _ = run(a, b)
    assert found["questions"] == 6 and found["groups"]["all"]["difference"] == 0
    assert found["only_first"] == found["only_second"] == found["other_answers"] == 0


def test_what_may_be_chance_is_called_so(tmp_path, scores):
    a = evaluation(tmp_path / "a", scores)
    b = evaluation(tmp_path / "b", np.random.default_rng(5).permutation(scores))
    found, told = run(a, b)
    assert found["groups"]["all"]["difference"] == 0 and "official" not in found
    assert "Neither is surely better" in told
    same, _ = run(a, a)
    assert (same["groups"]["all"]["interval"], same["groups"]["all"]["sure"]) == ([0, 0], 0.5)


def test_what_cannot_be_compared_is_reported(tmp_path, scores, capsys):
    a = evaluation(tmp_path / "a", scores)
    other = evaluation(tmp_path / "b", scores, start=1000)
    with pytest.raises(InputError, match="share no question"):
        compare(a, other)
    with pytest.raises(InputError, match=r"There is no .*records\.jsonl; name a results.json"):
        compare(a, str(tmp_path))
    with pytest.raises(InputError, match=r"There is no .*nope; name a results.json"):
        compare(a, str(tmp_path / "a" / "nope"))  # a missing name beside records is not the folder around it
    for content in ("{}", "{", "[1]", "3"):
        (tmp_path / "b" / "records.jsonl").write_text(content)
        with pytest.raises(InputError, match=r"Line 1 of .*records\.jsonl is no"):
            compare(a, other)
    assert main(["compare", a, str(tmp_path / "none")]) == 2
    assert "There is no" in capsys.readouterr().err
