import numpy as np
import pytest
import torch
from PIL import Image

from vqa.errors import InputError
from vqa.evidence import BATCH, MAX_CELLS, check_mask, cover, evidence, occlusion, what_if
from vqa.predict import VQA

QUESTION = "what is on the table?"


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint) -> VQA:
    return VQA.load(tiny_checkpoint, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8))


def log_probabilities(vqa: VQA, v: torch.Tensor) -> torch.Tensor:
    input_ids, mask = vqa.processor.encode([QUESTION])
    q, *_ = vqa.model.question_encoder(input_ids, mask)
    return vqa.model.score(v, q)[0][0].log_softmax(-1)


def test_evidence_is_the_fall_when_a_place_becomes_the_mean(vqa, photo):
    """Against differences: move each place a little towards the mean and away from it, and see what is lost."""
    with torch.no_grad():
        v = vqa.model.prepare(vqa.look(photo).grid.clone())
        mean, step = v.mean(1), 0.1
        for index in (0, 2):
            found = evidence(vqa, photo, QUESTION, vqa.answers[index]).ravel()
            assert len(set(found)) == len(found)
            for place in (0, 5, int(abs(found).argmax()), len(found) - 1):
                there = []
                for sign in (1, -1):
                    moved = v.clone()
                    moved[:, place] += sign * step * (mean - v[:, place])
                    there.append(float(log_probabilities(vqa, moved)[index]))
                assert found[place] == pytest.approx((there[1] - there[0]) / (2 * step), rel=0.01, abs=3e-6)


def test_evidence_leaves_no_gradient_behind(vqa, photo):
    found = evidence(vqa, photo, QUESTION, vqa.answers[0])
    assert found.shape == vqa.model.grid_size
    assert all(parameter.grad is None for parameter in vqa.model.parameters())


def test_an_answer_that_is_none_is_refused(vqa, photo):
    for function in (evidence, occlusion):
        with pytest.raises(InputError, match="The model has no answer 'zyzzyva'; choose"):
            function(vqa, photo, QUESTION, "zyzzyva")


def test_cover_paints_the_mean_colour_over_the_cells(photo):
    pixels = np.asarray(photo)
    covered = np.asarray(cover(photo, np.array([[True, False, False], [False, False, True]])))
    mean = pixels.reshape(-1, 3).mean(0).round()
    assert (covered[:45, :40] == mean).all() and (covered[45:, 80:] == mean).all()
    assert (covered[:45, 40:] == pixels[:45, 40:]).all() and (covered[45:, :80] == pixels[45:, :80]).all()
    fine = np.random.default_rng(0).random((MAX_CELLS, 1)) < 0.5  # more cells than rows of pixels
    assert cover(photo, fine).size == photo.size


def test_what_if_compares_all_top_answers_of_both(vqa, photo):
    mask = [[1, 1, 0], [1, 0, 0]]
    found = what_if(vqa, photo, QUESTION, mask, top=2)
    covered = cover(photo, np.array(mask, dtype=bool))
    expected = {}
    for picture in (photo, covered):
        for name, score in vqa.ask(picture, QUESTION, top=len(vqa.answers)).top:
            expected.setdefault(name, []).append(score)
    names = {score.answer for answer in (found.before, found.after) for score in answer.top}
    assert {name for name, *_ in found.changes} == names
    for name, before, after in found.changes:
        assert (before, after) == pytest.approx(tuple(expected[name]), abs=1e-6)
    sizes = [abs(after - before) for _, before, after in found.changes]
    assert sizes == sorted(sizes, reverse=True)
    for row in found.to_dict()["changes"]:
        assert row["change"] == row["after"] - row["before"]


def test_covering_everything_is_asking_about_a_plain_picture(vqa, photo):
    mean = np.asarray(photo).reshape(-1, 3).mean(0).round().astype(int)
    plain = Image.new("RGB", photo.size, tuple(mean.tolist()))
    assert what_if(vqa, photo, QUESTION, [[1]]).after.top == vqa.ask(plain, QUESTION).top


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0, 0]], "Nothing is painted over"),
        ([[1, 0], [1]], "not a table of 0 and 1"),
        ([[2]], "not a table of 0 and 1"),
        ([], "not a table of 0 and 1"),
        ([[]], "not a table of 0 and 1"),
        ([1, 0], "not a table of 0 and 1"),
        ("everything", "not a table of 0 and 1"),
        ([["a"]], "not a table of 0 and 1"),
        (None, "not a table of 0 and 1"),
        ([[float("nan")]], "not a table of 0 and 1"),
        (np.ones((1, MAX_CELLS + 1)), f"{MAX_CELLS + 1} cells a side"),
    ],
)
def test_a_mask_that_is_none_is_refused(mask, message):
    with pytest.raises(InputError, match=message):
        check_mask(mask)


def test_occlusion_is_what_covering_one_by_one_gives(vqa, photo):
    told: list[tuple[int, int]] = []
    found = occlusion(vqa, photo, QUESTION, progress=lambda *values: told.append(values))
    height, width = vqa.model.grid_size
    square = Image.fromarray(vqa.processor.image_processor.square(photo))
    best, before = vqa.ask(square, QUESTION, top=1).top[0]
    for i, j in ((0, 0), (1, 2), (height - 1, width - 1)):
        mask = np.zeros((height, width), dtype=bool)
        mask[i, j] = True
        after = dict(vqa.ask(cover(square, mask), QUESTION, top=len(vqa.answers)).top)[best]
        assert found[i, j] == pytest.approx(before - after, abs=1e-5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) == -(-height * width // BATCH)
    assert told[-1] == (height * width, height * width)
    assert found.max() > 0 or found.min() < 0


def test_score_is_what_forward_computes(vqa, photo):
    input_ids, mask = vqa.processor.encode([QUESTION])
    grid = vqa.look(photo).grid
    with torch.inference_mode():
        output = vqa.model(input_ids, mask, grid=grid)
        logits, attention = vqa.model.score(vqa.model.prepare(grid), output.question)
    torch.testing.assert_close(logits, output.logits, rtol=0, atol=0)
    torch.testing.assert_close(attention, output.attention.flatten(-2), rtol=0, atol=0)
