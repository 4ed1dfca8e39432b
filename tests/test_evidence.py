import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.refusal import refusal
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.covering import cover
from vqa.evidence import BATCH, evidence, occlusion, what_if
from vqa.model.model import VQAModel
from vqa.predict import VQA, Look

QUESTION = "what color is the cat?"
TEMPERATURE = 1.7


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "coordinates"])
def vqa(request, tiny_checkpoint, tmp_path_factory) -> VQA:
    """A tiny model, without or with coordinates, whose confidence is not the plain softmax."""
    model, processor = load_checkpoint(tiny_checkpoint)
    if request.param:
        model.config.coordinates = True
        torch.manual_seed(1)
        model = VQAModel(model.config)
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    save_checkpoint(folder, model, processor)
    found = VQA.load(folder, device="cpu", dtype="float32")
    assert found.config.coordinates == request.param
    found.config.temperature = TEMPERATURE
    return found


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pixels[:20, :25] //= 4
    return Image.fromarray(pixels)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(np.asarray(logits, dtype=float) / TEMPERATURE)
    return exponent / exponent.sum(-1, keepdims=True)


def probabilities(vqa: VQA, grid: torch.Tensor) -> dict[str, float]:
    logits, *_ = vqa.logits(grid, [QUESTION], torch.tensor([0]))
    return dict(zip(vqa.answers, softmax(logits[0]).tolist(), strict=True))


@pytest.mark.parametrize("answer", ["red", "teddy bear"])
def test_evidence_is_the_slope_towards_the_mean_place(vqa, photo, monkeypatch, answer):
    """Central differences in double precision, on a copy of the model."""
    found = evidence(vqa, photo, QUESTION, answer)
    assert found.shape == vqa.model.grid_size
    ids, mask = vqa.encode([QUESTION])
    with torch.no_grad():
        q = vqa.model.question_encoder(ids, mask)[0].double()
    model = copy.deepcopy(vqa.model).double()
    v = model.prepare(vqa.look(photo).grid.clone())
    assert v.dtype == torch.float64
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)  # the model would round its logits
    index, step = vqa.answers.index(answer), 1e-4
    slopes = []
    for place in range(v.shape[1]):
        away = torch.zeros_like(v)
        away[0, place] = v[0, place] - v[0].mean(0)
        with torch.no_grad():
            up, down = (model.score(v + s * away, q)[0].log_softmax(-1)[0, index].item() for s in (step, -step))
        slopes.append((up - down) / (2 * step))
    assert np.abs(slopes).max() > 1e-5
    np.testing.assert_allclose(found.ravel(), slopes, rtol=1e-3, atol=1e-3 * np.abs(slopes).max())


def test_evidence_leaves_no_gradient_and_the_same_answer(vqa, photo):
    before, grid = vqa.ask(photo, QUESTION).top, vqa.look(photo).grid.clone()
    evidence(vqa, photo, QUESTION, "red")
    assert all(parameter.grad is None for parameter in vqa.model.parameters())
    assert torch.equal(vqa.look(photo).grid, grid) and vqa.ask(photo, QUESTION).top == before


def test_an_unknown_answer_is_refused(vqa, photo):
    for explain in (evidence, occlusion):
        assert "The model has no answer 'zyzzyva'" in refusal(explain, vqa, photo, QUESTION, "zyzzyva")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0, 0], [0, 0]], "Nothing is painted over"),
        ([[1], [1, 0]], "not a table of 0 and 1"),
        *(([[cell, 1]], "not a table of 0 and 1") for cell in (2, 0.5, float("nan"), -1, None, 10**400)),
        *((mask, "not a table of 0 and 1") for mask in ([1, 0], [[[1]]], [], [[]], "all", None, {})),
        *((np.ones(shape), "has 129 cells a side; give at most 128") for shape in ((1, 129), (129, 1))),
        ([[0], [1]] * 500_000, "has 1,000,000 cells a side"),  # without a look at its numbers
    ],
)
def test_an_invalid_mask_is_refused(vqa, photo, mask, message):
    assert message in refusal(what_if, vqa, photo, QUESTION, mask)


@pytest.mark.parametrize("shape", [(1, 2), (3, 7), (40, 50), (128, 128)])
def test_cover_paints_the_masked_part_and_nothing_else(photo, shape):
    mask = np.random.default_rng(0).random(shape) < 0.4
    mask.flat[:2] = True, False
    pixels = np.asarray(photo)
    found = np.asarray(cover(photo, mask))
    mean = np.round(pixels.astype(float).mean((0, 1)))
    for y in range(40):
        (row,) = (i for i in range(shape[0]) if i * 40 <= y * shape[0] < (i + 1) * 40)
        for x in range(50):
            column = x * shape[1] // 50
            expected = mean if mask[row, column] else pixels[y, x]
            assert (found[y, x] == expected).all(), (y, x)


def test_what_if_asks_before_and_after(vqa, photo):
    """Against the model's logits and a softmax of our own, with the temperature."""
    mask = [[1, 0, 0], [0, 1, 0]]
    found = what_if(vqa, photo, QUESTION, mask, top=2)
    covered = cover(photo, np.array(mask, bool))
    assert np.array_equal(np.asarray(found.photo), np.asarray(covered))
    before, after = (probabilities(vqa, vqa.look(one).grid) for one in (photo, covered))
    assert found.before.top == vqa.ask(photo, QUESTION, 2).top
    assert found.after.top == vqa.ask(covered, QUESTION, 2).top
    names = {score.answer for answer in (found.before, found.after) for score in answer.top}
    assert sorted(name for name, *_ in found.changes) == sorted(names) and len(names) >= 2
    for name, first, second in found.changes:
        assert (first, second) == pytest.approx((before[name], after[name]), abs=1e-6)
    sizes = [abs(second - first) for _, first, second in found.changes]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    changes = [{"answer": a, "before": p, "after": q, "change": q - p} for a, p, q in found.changes]
    both = {"before": found.before.to_dict(), "after": found.after.to_dict()}
    assert found.to_dict() == {**both, "changes": changes}


def one_by_one(vqa: VQA, photo: Image.Image, answer: str) -> np.ndarray:
    """Occlusion as one would write it down: a photo, a cell, a question at a time."""
    square = vqa.square(photo)
    height, width = vqa.model.grid_size
    high, wide = square.shape[0] // height, square.shape[1] // width
    mean = square.reshape(-1, 3).mean(0).round()

    def score(pixels: np.ndarray) -> float:
        look = Look(photo, vqa.encode_squares(torch.from_numpy(pixels)[None]), 0)
        (found,) = vqa.ask_many(look, [QUESTION], top=len(vqa.answers))
        return dict(found.top)[answer]

    falls = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            covered = square.copy()
            covered[i * high : (i + 1) * high, j * wide : (j + 1) * wide] = mean
            falls[i, j] = score(square.copy()) - score(covered)
    return falls


@pytest.mark.parametrize("answer", [None, "no"])
def test_occlusion_equals_a_naive_loop(vqa, photo, answer):
    found = occlusion(vqa, photo, QUESTION, answer)
    expected = one_by_one(vqa, photo, answer or vqa.ask(photo, QUESTION).text)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(expected).max() > 1e-5 and expected.size > BATCH


def test_the_bundled_model_sees_a_cat():
    root = Path(__file__).resolve().parents[1]
    bundled, chelsea = VQA.load(root / "assets/model", device="cpu"), root / "ui/static/examples/chelsea.webp"
    assert bundled.ask(chelsea, "what animal is this?").text == "cat"
    found = evidence(bundled, chelsea, "what animal is this?", "cat")
    assert found.shape == (7, 7) and np.isfinite(found).all() and found.min() < 0 < found.max()
