"""The boxes of things teach the attention where to lie and the image encoder what each place holds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fitted import Flags, make_task
from tests.train.fitting.few import learn, questions
from train.fit import main
from train.fitting.box_labels import WEIGHT, BoxKinds, place_loss, question_places
from train.fitting.prepare import prepare
from train.fitting.settings import parse
from train.fitting.tasks import AnswerTask
from vqa.data.boxes import Box, Objects
from vqa.data.examples import Example
from vqa.data.kinds import KINDS
from vqa.model.model import VQAModel

CAT, DOG = Box("cat", 0.0, 0.0, 0.5, 0.5), Box("dog", 0.5, 0.5, 0.5, 0.5)
OBJECTS = {"both.png": Objects((CAT, DOG), frozenset({"sheep"})), "cropped.png": Objects((CAT,), aligned=False)}


def test_places_are_those_of_the_things_that_question_or_answer_name() -> None:
    asked = [("both.png", "Is the cat asleep?", "no"), ("both.png", "What animal is this?", "dog")]
    asked += [("both.png", "What colour is it?", "red"), ("both.png", "Is there a zebra?", "no")]
    asked += [("cropped.png", "Is the cat asleep?", "no"), ("other.png", "Is the cat asleep?", "no")]
    places = question_places([Example(*each) for each in asked], OBJECTS, 2, 2).astype(int).tolist()
    assert places[:2] == [[[1, 0], [0, 0]], [[1, 0], [0, 1]]]  # an animal is a cat or a dog
    assert not any(np.any(each) for each in places[2:])


def test_the_loss_is_the_mean_negative_logarithm_of_the_attention_in_the_boxes() -> None:
    attention = torch.rand(3, 2, 2, 2).flatten(2).softmax(-1).unflatten(-1, (2, 2))
    places = torch.tensor([[[1.0, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 1]]])
    terms = [
        -math.log(sum(float(attention[q, g, i, j]) for i in range(2) for j in range(2) if places[q, i, j]))
        for q in (0, 2)
        for g in range(2)
    ]
    assert float(place_loss(attention, places)) == pytest.approx(sum(terms) / 2 / 3, rel=1e-5)
    assert float(place_loss(attention, torch.zeros(3, 2, 2))) == 0.0


def test_each_place_learns_its_kinds() -> None:
    kinds = BoxKinds(["x/both.png", "cropped.png", "none.png"], OBJECTS, 4, 2, 2)
    batch = kinds.batch(np.array([0, 1, 2, 0]), np.array([False, False, False, True]))
    names = list(KINDS)
    assert batch["boxed"].tolist() == [0, 3]
    has = [[[names[k] for k in place.nonzero().flatten()] for place in photo] for photo in batch["kinds"]]
    assert has == [[["cat"], [], [], ["dog"]], [[], ["cat"], ["dog"], []]]
    assert batch["known"].sum(1).tolist() == [79, 79] and not batch["known"][:, names.index("sheep")].any()
    kinds.label = torch.nn.Linear(kinds.label.in_features, 80)
    grid = torch.rand(4, 4, 4)
    logits = kinds.logits(grid)[[0, 3]]
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["kinds"], reduction="none")
    losses[..., names.index("sheep")] = 0  # a crowd has no boxes
    torch.testing.assert_close(kinds(grid, batch), WEIGHT * losses.sum() / 4 / 2)


def test_the_attention_moves_into_the_boxes(net: VQAModel) -> None:
    places = torch.eye(4)[[0, 3, 2, 0, 2]].unflatten(1, (2, 2))
    task, batch = make_task(AnswerTask, net, place_weight=1.0).train(), questions() | {"places": places}
    learn(task, batch)
    asked = {name: batch[name] for name in ("input_ids", "attention_mask", "photo_index")}
    attention = net.eval()(**asked, grid=task.grid(squares=batch["squares"])).attention
    assert (attention * places[:, None]).sum((-1, -2)).min() > 0.8


def test_a_run_with_boxes(world: Path, flags: Flags, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Further questions are learned from their own answers, and the boxes of mirrored photos are mirrored."""
    names = sorted(path.name for path in (world / "photos").iterdir())
    boxes, extra = tmp_path / "boxes.jsonl", tmp_path / "extra.jsonl"
    boxes.write_text("".join(json.dumps({"image": n, "objects": [["cat", 0, 0, 0.3, 1]]}) + "\n" for n in names))
    rows = [{"image": n, "question": "Where is the cat?", "answer": "left", "source": "boxes"} for n in names]
    extra.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = [f"--data.boxes=[{boxes}]", f"--data.extra=[{extra}]", "--data.untaught=[boxes]", "--optim.epochs=1"]
    data = prepare(parse(flags(tmp_path / "data", *more)))
    assert data.train.untaught is not None and data.train.untaught.sum() == len(data.train.photos)
    asked = np.flatnonzero(data.train.untaught)
    batch = data.train.batch(asked, np.random.default_rng(0))
    turned = batch["mirror"][batch["photo_index"]]
    assert 0 < turned.sum() < len(asked)
    left = batch["places"][..., 0].sum(1) > batch["places"][..., -1].sum(1)
    assert torch.equal(left, ~turned)
    assert main(flags(tmp_path / "run", *more)) == 0
    assert f"{len(data.train.photos)} training questions name things with boxes." in capsys.readouterr().out
