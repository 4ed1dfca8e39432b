"""The encoder learns the words of captions beside the answers."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.fitted import Flags, make_task
from tests.train.killed import killed
from train.fit import main
from train.fitting.batches import Questions
from train.fitting.caption_words import WEIGHT, CaptionedQuestions, CaptionTask
from train.fitting.tasks import AnswerTask
from vqa.data.examples import Example
from vqa.data.vocabulary import build_tokenizer
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos with captions, one of them held out elsewhere."""
    rows = [
        {"image": "a.png", "captions": ["A red cat", "a cat, a cat"]},
        {"image": "b.png", "captions": ["a dog"]},
        {"image": "held.png", "captions": ["a secret cat"]},
    ]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        (tmp_path / row["image"]).touch()
    return tmp_path


def read(
    folder: Path, held: set[str] = frozenset(), min_count: int = 1, photos: Sequence[str] = ("a.png",)
) -> CaptionedQuestions:
    """The captions in `folder`, for a question about each of these photos."""
    asked = [Example(str(folder / name), "is it a cat", answer="yes") for name in photos]
    processor = VQAProcessor(VQAImageProcessor(16), build_tokenizer(["is it a cat"], 1))
    questions = Questions.build(asked, {"yes": 0}, processor)
    return CaptionedQuestions.read(questions, [str(folder / "captions.jsonl")], [str(folder)], held, min_count)


def test_labels_are_the_share_of_captions_that_have_the_word(folder: Path) -> None:
    captioned = read(folder, {"held.png"}, photos=["b.png", "other.png"])
    assert [Path(photo).name for photo in captioned.photos] == ["b.png", "other.png", "a.png"]
    assert captioned.has.tolist() == [True, False, True]
    labels = {word: captioned.labels[:, i].tolist() for i, word in enumerate(captioned.words)}
    assert labels == {"a": [255, 0, 255], "cat": [0, 0, 255], "red": [0, 0, 128], "dog": [255, 0, 0]}
    assert read(folder, {"held.png"}, min_count=2).words == ["a", "cat"]


def test_bad_captions_are_reported(folder: Path) -> None:
    with pytest.raises(InputError, match="No word occurs in 99 captions"):
        read(folder, min_count=99)
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"Line 2 .* names b\.png, which is not in"):
        read(folder)


def test_every_photo_and_question_is_in_one_batch(folder: Path) -> None:
    captioned = read(folder, photos=["b.png", "other.png"])
    batches = [captioned.batch(*chosen) for chosen in captioned.epoch(1, np.random.default_rng(0))]
    assert sorted(row for batch in batches for row in batch["rows"].tolist()) == [0, 1, 2, 3]
    for batch in batches:
        rows = batch["rows"][batch["captioned"]]
        assert rows.tolist() == [row for row in batch["rows"].tolist() if row != 1]  # but for other.png
        torch.testing.assert_close(batch["words"], torch.from_numpy(captioned.labels[rows.numpy()]).float() / 255)


def test_left_and_right_are_exchanged_in_the_captions_of_a_mirrored_photo(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(40)]
    texts = ["a cat at left"] * 39 + ["on the right"]
    rows = [{"image": name, "captions": [text]} for name, text in zip(names, texts, strict=True)]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in names:
        (tmp_path / name).touch()
    captioned = read(tmp_path, photos=names[:20])
    batch = captioned.batch(np.arange(20), np.arange(20, 39), np.random.default_rng(0))
    left, right, cat = (captioned.words.index(word) for word in ("left", "right", "cat"))
    assert torch.equal(batch["words"][:, right] == 1, batch["mirror"])
    assert torch.equal(batch["words"][:, left] == 0, batch["mirror"])
    assert (batch["words"][:, cat] == 1).all()
    for part in (batch["mirror"][:20], batch["mirror"][20:]):
        assert 3 < part.sum() < 17


def batch() -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.tensor([[2, 3], [4, 0]]),
        "attention_mask": torch.tensor([[1, 1], [1, 0]]),
        "photo_index": torch.tensor([0, 0]),
        "labels": torch.eye(3)[[0, 1]],
        "squares": torch.randint(0, 255, (2, 16, 16, 3), dtype=torch.uint8),
        "captioned": torch.tensor([1]),
        "words": torch.tensor([[1.0, 0.0, 0.4]]),
    }


def test_the_loss_is_that_of_the_answers_and_of_the_words(net: VQAModel) -> None:
    task = make_task(CaptionTask, net, [[255, 0, 0], [0, 255, 0]]).eval()
    torch.nn.init.normal_(task.word.weight)
    given = batch()
    grid = net.encode_image(VQAImageProcessor(16).normalize(given["squares"]))[1]  # (N, D), of the captioned photo
    places = [task.word(task.place(F.normalize(v, dim=0) * math.sqrt(len(v))).relu()) for v in grid]
    words = torch.stack([torch.stack([s[w] for s in places]).exp().mean().log() for w in range(3)])
    expected = sum(F.binary_cross_entropy_with_logits(words[w], given["words"][0, w]) for w in range(3))
    questions = {name: value for name, value in given.items() if name not in ("captioned", "words")}
    alone = make_task(AnswerTask, net).eval()(**questions)
    torch.testing.assert_close(task(**given), alone + WEIGHT * expected)


def test_frozen_stages_keep_their_weights_and_the_norms_their_statistics(net: VQAModel) -> None:
    task = make_task(CaptionTask, net, [[255, 0, 9]], frozen_stages=4).train()
    torch.nn.init.normal_(task.word.weight)
    before = {name: value.clone() for name, value in net.image_encoder.named_buffers()}
    task(**batch()).backward()
    learned = [any(p.grad is not None for p in stage.parameters()) for stage in net.image_encoder.stages()]
    assert not any(learned[:4]) and any(learned[4:])
    for name, value in net.image_encoder.named_buffers():
        assert torch.equal(value, before[name])


def test_a_run_with_captions_learns_and_resumes(
    world: Path, flags: Flags, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in (world / "photos").iterdir())
    captions = tmp_path / "captions.jsonl"
    captions.write_text("".join(json.dumps({"image": n, "captions": ["a red shape", "shapes"]}) + "\n" for n in names))
    more = [f"--data.captions=[{captions}]", f"--data.caption_images=[{world / 'photos'}]", "--optim.epochs=1"]
    assert main(flags(tmp_path / "whole", *more)) == 0
    assert "photos with captions, of which 4 words are learned" in capsys.readouterr().out
    with killed(lambda facts: facts["done"] == ["text"]):
        assert main(flags(tmp_path / "parts", *more)) == 130
    assert main(flags(tmp_path / "parts", *more, "--resume")) == 0
    for name in ("model.safetensors", "best/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
