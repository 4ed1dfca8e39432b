"""Ways to make a map of a decoder's attention."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.foreign import tiny
from tools.foreign import attention


def layers(count: int, tokens: int) -> list[torch.Tensor]:
    """Causal attention of random weights, `(1, 2, T, T)` by layer."""
    hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    scores = torch.randn(count, 1, 2, tokens, tokens).masked_fill(hidden, -torch.inf)
    return list(scores.softmax(-1))


def test_rollout_is_the_product_of_whole_matrices() -> None:
    made = layers(4, 6)
    product = torch.eye(6)
    for layer in made:
        product = (layer[0].mean(0) + torch.eye(6)) / 2 @ product
    assert torch.allclose(attention.rollout(made)[0], product[-1])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_way_is_a_distribution_over_the_tokens(count: int) -> None:
    made = layers(count, 6)
    for name, way in attention.WAYS.items():
        assert way(made).sum().item() == pytest.approx(1), name
    last = made[-1][0, :, -1].mean(0)
    assert torch.allclose(attention.WAYS["last layer"](made)[0], last)


def test_all_ways_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny.llava(tmp_path / "llava")
    (tmp_path / "photos").mkdir()
    rows, boxes = [], []
    for i in range(3):
        Image.new("RGB", (40, 30), (60 * i, 90, 30)).save(tmp_path / "photos" / f"{i}.png")
        rows.append({"image": f"{i}.png", "question": "what color is the cat ?", "answer": "red"})
        boxes.append({"image": f"{i}.png", "objects": [["cat", 0.1 * i, 0.2, 0.3, 0.3]]})
    for name, lines in (("questions", rows), ("boxes", boxes)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["--model", str(model), "--data", str(tmp_path / "questions.jsonl"), "--images", str(tmp_path / "photos")]
    assert attention.main([*words, "--boxes", str(tmp_path / "boxes.jsonl")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == list(attention.WAYS)
    assert len({line.split(":", 1)[1] for line in printed}) > 1  # other maps, other figures
