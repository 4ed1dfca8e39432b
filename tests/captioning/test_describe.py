"""Descriptions: a caption with its maps, and errors in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.refusal import refusal
from vqa.captioning.captioner import Captioner
from vqa.captioning.describe import KIND, Describer
from vqa.captioning.words import Words
from vqa.checkpoint.auxiliary import save_bundle
from vqa.predict import VQA

WORDS = ["a", "dog", "runs", "on", "grass"]


PHOTO = np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def vqa(tiny_checkpoint: Path) -> VQA:
    return VQA.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def folder(vqa: VQA, tmp_path: Path) -> Path:
    config = {"attention": "soft", "hidden": 8, "channels": vqa.look(PHOTO).grid.shape[-1]}
    net = Captioner(Words(WORDS).size, **config)
    more = {"encoder": vqa.made_by(), "most": 6, "words": WORDS}
    save_bundle(tmp_path / "caption", KIND, {**config, **more}, net)
    return tmp_path / "caption"


def test_a_caption_says_where_each_word_came_from(vqa: VQA, folder: Path) -> None:
    caption = Describer.load(folder, vqa).describe(PHOTO)
    assert caption.text == " ".join(word.word for word in caption.words) and caption.words
    for word in caption.words:
        assert word.word in WORDS and 0 < word.probability <= 1
        assert word.attention.ndim == 2 and word.attention.sum() == pytest.approx(1, abs=1e-4)
    plain = json.loads(json.dumps(caption.to_dict()))
    assert plain["text"] == caption.text and plain["seconds"].keys() == {"photo", "caption"}
    assert np.array(plain["words"][0]["attention"]) == pytest.approx(caption.words[0].attention)


def test_drawn_captions_are_seeded(vqa: VQA, folder: Path) -> None:
    describer = Describer.load(folder, vqa)
    drawn = [describer.describe(PHOTO, temperature=2.0, seed=seed).text for seed in range(8)]
    assert len(set(drawn)) > 2
    assert describer.describe(PHOTO, temperature=2.0, seed=3).text == drawn[3]


def test_another_encoder_a_missing_photo_and_no_beam_are_refused(vqa: VQA, folder: Path, tmp_path: Path) -> None:
    describer = Describer.load(folder, vqa)
    assert "give 1 to 20" in refusal(describer.describe, PHOTO, beam=0)
    assert "There is no photo" in refusal(describer.describe, tmp_path / "no.jpg")
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["weights"] = "0" * 32
    (folder / "config.json").write_text(json.dumps(config))
    assert "trained with another image encoder" in refusal(Describer.load, folder, vqa)
