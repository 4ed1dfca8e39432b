"""Photos are covered in part, and the answers about what is hidden become a guess."""

import pytest
import torch

from tests.fitted import Flags, make_task
from train.fitting.covers import Covers
from train.fitting.settings import parse
from train.fitting.tasks import AnswerTask
from vqa.model.errors import InputError
from vqa.model.model import VQAModel

QUESTION = torch.tensor([[2, 3, 4], [2, 3, 0], [5, 0, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
PHOTO_INDEX = torch.tensor([0, 0, 1])


def test_what_is_hidden_is_answered_as_without_the_photo(net: VQAModel) -> None:
    covers, (height, width) = Covers(net, 1.0, 0), net.grid_size
    side = net.config.image_size
    pixels, places = torch.rand(2, side * side, 3), torch.zeros(3, height, width)
    places[0, 0, 0] = 1.0
    labels = torch.eye(3)
    guess = net.blind_logits(net.question_encoder(*QUESTION).vector).softmax(-1)
    covered, visible, targets = covers(pixels, places, PHOTO_INDEX, QUESTION, labels)
    hidden = (covered == covers.filler).all(-1).unflatten(-1, (side, side))
    assert hidden[0, : side // height, : side // width].all() and hidden.any((1, 2)).all()
    assert torch.equal(covered[~hidden.flatten(1)], pixels[~hidden.flatten(1)])
    assert not visible.any()
    torch.testing.assert_close(targets[0], guess[0])
    assert torch.equal(targets[1:], labels[1:])  # nothing of theirs is hidden


def test_the_targets_change_by_the_share_of_the_boxes_that_is_hidden(net: VQAModel) -> None:
    covers, everywhere, labels = Covers(net, 1.0, 0), torch.ones(3, *net.grid_size), torch.eye(3)
    pixels = torch.rand(2, net.config.image_size**2, 3)
    _, visible, targets = covers(pixels, everywhere, PHOTO_INDEX, QUESTION, labels)
    share = 1 - visible.mean((1, 2))
    guess = net.blind_logits(net.question_encoder(*QUESTION).vector).softmax(-1)
    assert (share > 0).all() and (share < 1).all()
    torch.testing.assert_close(targets, (1 - share[:, None]) * labels + share[:, None] * guess)


def test_a_cover_looks_like_a_photo_of_one_colour(net: VQAModel) -> None:
    encoder, size, stages = net.image_encoder.eval(), net.config.image_size, len(net.image_encoder.stages())
    plain = encoder(torch.zeros(1, 3, size, size))[0]
    middle = net.grid_size[0] // 2 * net.grid_size[1] + net.grid_size[1] // 2
    torch.testing.assert_close(Covers(net, 0.5, stages).filler, plain[middle])


def test_the_share_of_the_photos_is_covered(net: VQAModel) -> None:
    windows = Covers(net, 0.25, 0).windows(torch.zeros(1, *net.grid_size), torch.tensor([0]), 2000)
    assert windows.any((1, 2)).float().mean().item() == pytest.approx(0.25, abs=0.04)


def test_covered_photos_are_learned_from(net: VQAModel) -> None:
    covering, plain = (make_task(AnswerTask, net, covered=share).train() for share in (1.0, 0.0))
    batch = {
        "input_ids": QUESTION[0],
        "attention_mask": QUESTION[1],
        "photo_index": PHOTO_INDEX,
        "labels": torch.eye(3),
        "soft_targets": torch.rand(3, 3).softmax(-1),
        "places": torch.ones(3, *net.grid_size),
        "grid": net.encode_image(torch.rand(2, 3, 16, 16)).detach(),
    }
    torch.manual_seed(1)
    loss = covering(**batch)
    torch.manual_seed(1)
    names = "grid", "places", "labels", "soft_targets"
    grid, places, *targets = (batch[name] for name in names)
    covered = covering.covers(grid, places, PHOTO_INDEX, QUESTION, *targets)
    torch.testing.assert_close(loss, plain(**batch | dict(zip(names, covered, strict=True))))
    torch.testing.assert_close(covering.eval()(**batch), plain.eval()(**batch))


def test_covers_need_boxes_grids_and_a_start(flags: Flags) -> None:
    with pytest.raises(InputError, match=r"\(optim.covered\) give data.boxes, data.features and start"):
        parse(flags("run", "--optim.covered=0.2"))
