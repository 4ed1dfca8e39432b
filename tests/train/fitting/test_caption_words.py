"""The encoder learns the words of captions beside the answers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.fitted import Flags, make_task
from tests.train.fitting.few import questions
from tests.train.killed import killed
from train.fit import main
from train.fitting.caption_words import WEIGHT, CaptionWords, read_caption_words
from train.fitting.tasks import AnswerTask
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor


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


def read(folder: Path, *photos: str, min_count: int = 1, channels: int = 4) -> CaptionWords:
    captions = read_caption_words([str(folder / "captions.jsonl")], [str(folder)], {"held.png"})
    return CaptionWords([str(folder / name) for name in photos], captions, channels, min_count)


def test_labels_are_the_share_of_captions_that_have_the_word(folder: Path) -> None:
    words = read(folder, "b.png", "other.png", "a.png")
    assert words.has.tolist() == [True, False, True]
    labels = {word: words.labels[:, i].tolist() for i, word in enumerate(words.words)}
    assert labels == {"a": [255, 0, 255], "cat": [0, 0, 255], "red": [0, 0, 128], "dog": [255, 0, 0]}
    assert read(folder, "a.png", min_count=2).words == ["a", "cat"]
    batch = words.batch(np.array([1, 2]), np.zeros(2, bool))
    assert batch["captioned"].tolist() == [1]
    torch.testing.assert_close(batch["words"], torch.from_numpy(words.labels[2:]).float() / 255)


def test_bad_captions_are_reported(folder: Path) -> None:
    with pytest.raises(InputError, match="No word occurs in 99 captions"):
        read(folder, "a.png", min_count=99)
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"Line 2 .* names b\.png, which is not in"):
        read(folder, "a.png")


def test_left_and_right_are_exchanged_in_the_captions_of_a_mirrored_photo(tmp_path: Path) -> None:
    captions = {"a.png": [{"cat", "left"}], "b.png": [{"cat", "right"}]}
    words = CaptionWords(["a.png", "b.png"], captions, 4, 1)
    batch = words.batch(np.array([0, 0, 1]), np.array([False, True, True]))
    left, right, cat = (batch["words"][:, words.words.index(word)].tolist() for word in ("left", "right", "cat"))
    assert (left, right, cat) == ([1, 0, 1], [0, 1, 0], [1, 1, 1])


def batch() -> dict[str, torch.Tensor]:
    return questions() | {"captioned": torch.tensor([1]), "words": torch.tensor([[1.0, 0.0, 0.4]])}


@pytest.fixture
def words(folder: Path, net: VQAModel) -> CaptionWords:
    """Three words, whose layer has random weights."""
    words = read(folder, "a.png", "b.png", channels=net.image_encoder.channels)
    words.label = torch.nn.Linear(words.label.in_features, 3)
    return words


def test_the_loss_is_that_of_the_answers_and_of_the_words(net: VQAModel, words: CaptionWords) -> None:
    given, task = batch(), make_task(AnswerTask, net, [words]).eval()
    grid = net.encode_image(VQAImageProcessor(16).normalize(given["squares"]))[1]  # (N, D), of the captioned photo
    places = [words.label(words.place(F.normalize(v, dim=0) * math.sqrt(len(v))).relu()) for v in grid]
    pooled = torch.stack([torch.stack([s[w] for s in places]).exp().mean().log() for w in range(3)])
    expected = sum(F.binary_cross_entropy_with_logits(pooled[w], given["words"][0, w]) for w in range(3))
    alone = make_task(AnswerTask, net).eval()(**questions())
    torch.testing.assert_close(task(**given), alone + WEIGHT * expected)


def test_frozen_stages_keep_their_weights_and_the_norms_their_statistics(net: VQAModel, words: CaptionWords) -> None:
    task = make_task(AnswerTask, net, [words], frozen_stages=4).train()
    before = {name: value.clone() for name, value in net.image_encoder.named_buffers()}
    task(**batch()).backward()
    learned = [any(p.grad is not None for p in stage.parameters()) for stage in net.image_encoder.stages()]
    assert not any(learned[:4]) and any(learned[4:])
    torch.testing.assert_close(dict(net.image_encoder.named_buffers()), before, rtol=0, atol=0)


def test_a_run_with_captions(world: Path, flags: Flags, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
