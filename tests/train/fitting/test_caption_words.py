"""The encoder learns the words of captions beside the answers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.fitted import SCENES, Flags
from train.fit import main
from train.fitting.batches import Questions
from train.fitting.caption_words import Captioned, Seeing, Seen
from train.fitting.tasks import Answering
from vqa.data.examples import Example
from vqa.data.vocabulary import build_tokenizer
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor

PARTS = ("image_encoder", "question_encoder", "attention", "fusion", "answer_head")


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


def read(folder: Path, held: set[str] = frozenset(), min_count: int = 1) -> Captioned:
    return Captioned.read([str(folder / "captions.jsonl")], [str(folder)], held, min_count)


def test_labels_are_the_share_of_captions_that_have_the_word(folder: Path) -> None:
    captioned = read(folder, {"held.png"})
    assert [Path(photo).name for photo in captioned.photos] == ["a.png", "b.png"]
    found = {word: captioned.labels[:, i].tolist() for i, word in enumerate(captioned.words)}
    assert found == {"a": [255, 255], "cat": [255, 0], "red": [128, 0], "dog": [0, 255]}
    assert read(folder, {"held.png"}, min_count=2).words == ["a", "cat"]


def test_bad_captions_are_told(folder: Path) -> None:
    with pytest.raises(InputError, match="No word stands in 99 captions"):
        read(folder, min_count=99)
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"Line 2 .* names b\.png, which is not in"):
        read(folder)
    (folder / "captions.jsonl").write_text('{"image": "a.png", "captions": "a cat"}\n')
    with pytest.raises(InputError, match=r"Line 1 .* no 'image' and list of texts"):
        read(folder)


def test_every_photo_and_question_is_in_one_batch(folder: Path) -> None:
    asked = [Example(str(folder / name), "is it a cat", answer="yes") for name in ("b.png", "other.png")]
    processor = VQAProcessor(VQAImageProcessor(16), build_tokenizer(["is it a cat"], 1))
    seen = Seen(Questions.build(asked, {"yes": 0}, processor), read(folder))
    assert [Path(photo).name for photo in seen.photos] == ["b.png", "other.png", "a.png", "held.png"]
    batches = [seen.batch(*chosen) for chosen in seen.epoch(1, np.random.default_rng(0))]
    assert sorted(row for batch in batches for row in batch["rows"].tolist()) == [0, 1, 2, 3]
    for batch in batches:
        named = [Path(seen.photos[row]).name for row in batch["rows"][batch["captioned"]].tolist()]
        assert named == [Path(seen.photos[row]).name for row in batch["rows"].tolist() if row != 1]
        expected = np.stack([read(folder).labels[["a.png", "b.png", "held.png"].index(name)] for name in named])
        torch.testing.assert_close(batch["said"], torch.from_numpy(expected).float() / 255)


def test_what_is_said_of_a_mirrored_photo_has_left_and_right_changed(tmp_path: Path) -> None:
    photos = [tmp_path / f"{number}.png" for number in range(40)]
    rows = [{"image": photo.name, "captions": ["a cat at left"]} for photo in photos]
    rows[-1]["captions"] = ["on the right"]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for photo in photos:
        photo.touch()
    asked = [Example(str(photo), "is it", answer="yes") for photo in photos[:20]]
    processor = VQAProcessor(VQAImageProcessor(16), build_tokenizer(["is it"], 1))
    captioned = read(tmp_path)
    batch = Seen(Questions.build(asked, {"yes": 0}, processor), captioned).batch(
        np.arange(20), np.arange(20, 39), np.random.default_rng(0)
    )
    left, right, cat = (captioned.words.index(word) for word in ("left", "right", "cat"))
    assert torch.equal(batch["said"][:, right] == 1, batch["mirror"])
    assert torch.equal(batch["said"][:, left] == 0, batch["mirror"])
    assert (batch["said"][:, cat] == 1).all()
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
        "said": torch.tensor([[1.0, 0.0, 0.4]]),
    }


def test_the_loss_is_that_of_the_answers_and_of_the_words(net: VQAModel) -> None:
    processor = VQAImageProcessor(16)
    objective = Seeing(net, processor, PARTS, np.array([[255, 0, 0], [0, 255, 0]], np.uint8), weight=0.5).eval()
    torch.nn.init.normal_(objective.word.weight)
    given = batch()
    grid = net.encode_image(processor.normalize(given["squares"]))[1]  # (N, D), of the photo with captions
    places = [objective.word(objective.place(F.normalize(v, dim=0) * math.sqrt(len(v))).relu()) for v in grid]
    words = torch.stack([torch.stack([s[w] for s in places]).exp().mean().log() for w in range(3)])
    expected = sum(F.binary_cross_entropy_with_logits(words[w], given["said"][0, w]) for w in range(3))
    questions = {name: value for name, value in given.items() if name not in ("captioned", "said")}
    alone = Answering(net, processor, PARTS).eval()(**questions)
    torch.testing.assert_close(objective(**given), alone + 0.5 * expected)


def test_frozen_stages_keep_their_weights_and_the_norms_their_statistics(net: VQAModel) -> None:
    objective = Seeing(net, VQAImageProcessor(16), PARTS, np.array([[255, 0, 9]], np.uint8), weight=1.0)
    torch.nn.init.normal_(objective.word.weight)
    objective.freeze(4)
    before = {name: value.clone() for name, value in net.image_encoder.named_buffers()}
    objective.train()(**batch()).backward()
    learned = [any(p.grad is not None for p in stage.parameters()) for stage in net.image_encoder.stages()]
    assert not any(learned[:4]) and any(learned[4:])
    for name, value in net.image_encoder.named_buffers():
        assert torch.equal(value, before[name])


def test_a_run_with_captions_learns_and_resumes(world: Path, flags: Flags, tmp_path: Path, capsys) -> None:
    rows = [{"image": f"{i:06d}.png", "captions": ["a red shape", "shapes"]} for i in range(SCENES)]
    names = sorted(path.name for path in (world / "photos").iterdir())
    captions = tmp_path / "captions.jsonl"
    captions.write_text(
        "".join(json.dumps(row | {"image": name}) + "\n" for row, name in zip(rows, names, strict=True))
    )
    more = [f"--data.captions=[{captions}]", f"--data.caption_images=[{world / 'photos'}]", "--optim.epochs=1"]
    assert main(flags(tmp_path / "run", *more, "--data.min_caption_words=1")) == 0
    assert "photos with captions, of which 4 words are learned" in capsys.readouterr().out
    assert (tmp_path / "run/best/results.json").is_file()
