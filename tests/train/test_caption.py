"""Training the captioner: a few captions are learned by heart, a run goes on, bad data is told."""

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.killed import assert_resumes
from tests.train.refused import refused
from train.caption import CaptionerTask, main, train
from train.caption import parser as arguments
from train.captions.data import Batches, encode, read_captions
from train.captions.reward import RewardedTask
from vqa.captioning.describe import KIND, build
from vqa.captioning.scores import Unscored
from vqa.captioning.search import beam_search
from vqa.captioning.words import END, PAD, SPECIAL, Words
from vqa.checkpoint.auxiliary import load_bundle
from vqa.data.features import FeatureStore
from vqa.model.errors import InputError
from vqa.predict import VQA

TEXTS = ["a dog runs on grass", "two men ride a horse", "a red car", "a cat sleeps in the sun here"]


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Eight photos, two with each caption, and a copy of the first, which is held out."""
    torch.manual_seed(0)
    texts = [TEXTS[0], *TEXTS, *TEXTS]
    store = FeatureStore.create(tmp_path / "store", {"backbone": "none"}, 4, 12)
    names = [f"{i}.webp" for i in range(len(texts))]
    grids = torch.randn(len(texts), 4, 12)
    grids[0] = grids[1]
    store.append(names, names, grids)
    rows = [{"image": name, "captions": [text] * 5} for name, text in zip(names, texts, strict=True)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = f"--captions {tmp_path}/captions.jsonl --features {tmp_path}/store --measure {tmp_path}/captions.jsonl"
    return [*files.split(), "--measure-features", f"{tmp_path}/store", "--device", "cpu", "--min-count", "1"]


@pytest.fixture(autouse=True)
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores have a test of their own, and take seconds."""
    monkeypatch.setattr("train.caption_scores.score_captions", Mock(side_effect=Unscored("not here")))


@pytest.mark.parametrize("attention", ["soft", "hard"])
def test_a_few_captions_are_learned_by_heart(attention: str, data: list[str], tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").rename(tmp_path / "once.jsonl")  # the captions twenty times make epochs of 22 batches
    (tmp_path / "captions.jsonl").write_text("\n".join([(tmp_path / "once.jsonl").read_text()] * 20))
    run = [*data, "--output", str(tmp_path / "run"), "--attention", attention, "--hidden", "48", "--batch", "8"]
    run += ["--measure", str(tmp_path / "once.jsonl"), "--epochs", "7", "--rate", "0.01", "--average", "0.9"]
    results = train(arguments().parse_args(run))
    net, config = load_bundle(tmp_path / "run/best", KIND, build)
    words, store = Words(config["words"]), FeatureStore.open(tmp_path / "store")
    found = beam_search(net, store.read(range(1, 9)), 3)
    written = [words.text(n for n in row if n >= SPECIAL) for row in found.ids[:, 0].tolist()]
    assert written == TEXTS * 2
    assert config["encoder"] == {"backbone": "none"} and results["measured"] == {"not scored": "not here"}
    assert json.loads((tmp_path / "run/best/results.json").read_text()) == results


def test_a_run_goes_on_from_a_finished_captioner(data: list[str], tmp_path: Path) -> None:
    run = [*data, "--epochs", "2", "--batch", "3", "--output"]
    options = ["--attention", "none", "--hidden", "8"]
    first = train(arguments().parse_args([*run, str(tmp_path / "first"), *options]))
    more = train(arguments().parse_args([*run, str(tmp_path / "more"), "--start", str(tmp_path / "first/best")]))
    before, after = (load_bundle(tmp_path / name / "best", KIND, build) for name in ("first", "more"))
    assert more["attention"] == "none" and before[1] == after[1] and before[0].temperature == 1
    assert more["held_out_loss"] < first["held_out_loss"]
    FeatureStore.create(tmp_path / "wide", {}, 4, 16).append(["0.webp"], ["0"], torch.rand(1, 4, 16))
    (tmp_path / "one.jsonl").write_text(json.dumps({"image": "0.webp", "captions": ["a dog"]}))
    data[1], data[3] = str(tmp_path / "one.jsonl"), str(tmp_path / "wide")
    assert main([*data, "--output", str(tmp_path / "no"), "--start", str(tmp_path / "first/best")]) == 2


def test_captions_get_better_by_their_reward(data: list[str], tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join([file.read_text()] * 6))
    run = [*data, "--epochs", "4", "--batch", "8", "--hidden", "32", "--rate", "0.01", "--average", "0.5", "--output"]
    train(arguments().parse_args([*run, str(tmp_path / "first")]))
    more = [*run, str(tmp_path / "more"), "--start", str(tmp_path / "first/best"), "--reward", "--rate", "0.002"]
    held_out = train(arguments().parse_args(more))["held_out_reward"]
    stores, rewards, nets = [FeatureStore.open(tmp_path / "store")], [], []
    for name in ("first", "more"):
        net, config = load_bundle(tmp_path / name / "best", KIND, build)
        words, photos = Words(config["words"]), read_captions([file], stores)
        batches, held = (Batches(part, stores, words, 8, 20) for part in (photos, photos[::40]))
        task = RewardedTask(net, batches, held, words.once, 0, 1)
        assert task.held_out()["reward"] == pytest.approx(held_out["before" if name == "first" else "after"], rel=0.1)
        rewards.append(RewardedTask(net, batches, batches, words.once, 0, 1).held_out()["reward"])
        nets.append(net)
    assert rewards[1] > 1.1 * rewards[0] > 0
    assert nets[0].temperature == 1 != nets[1].temperature == config["temperature"]
    task = CaptionerTask(nets[1], batches, held, 0, 1)
    others = task.nats([0.8, 1.0, 1.25])  # the temperature makes the words of held-out captions likeliest
    assert min(others, key=others.__getitem__) == 1
    assert not any(torch.equal(*pair) for pair in zip(*(net.parameters() for net in nets), strict=True))


def test_what_cannot_be_trained_is_reported(data: list[str], tmp_path: Path) -> None:
    run = [*data, "--epochs", "1", "--hidden", "8", "--output", str(tmp_path / "hard")]
    assert main([*run, "--attention", "hard"]) == 0
    run[-1] = str(tmp_path / "no")
    assert "where hard attention looks" in refused(main, *run, "--reward", "--start", tmp_path / "hard/best")
    assert "by --start" in refused(main, *run, "--reward")
    assert "The batch is 0" in refused(main, *run, "--batch", "0")
    assert "--most is 0" in refused(main, *run, "--most", "0")
    (tmp_path / "empty.jsonl").touch()
    assert "empty.jsonl has no captions" in refused(main, *run, "--measure", tmp_path / "empty.jsonl")
    (tmp_path / "captions.jsonl").write_text(json.dumps({"image": "0.webp", "captions": ["a dog"]}))
    assert "give 2 or more" in refused(main, *run)


def test_a_killed_run_resumes_to_the_same_weights(data: list[str], tmp_path: Path) -> None:
    run = [*data, "--attention", "hard", "--hidden", "8", "--batch", "3", "--epochs", "4", "--output"]
    assert_resumes(main, run, tmp_path)
    soft = [*data, "--hidden", "8", "--batch", "3", "--epochs", "2", "--output"]
    assert main([*soft, str(tmp_path / "soft")]) == 0
    rewarded = [*soft[:-1], "--start", str(tmp_path / "soft/best"), "--reward", "--output"]
    (tmp_path / "rewarded").mkdir()
    assert_resumes(main, rewarded, tmp_path / "rewarded")
    assert "other settings of 'seed'" in refused(main, *run, tmp_path / "killed", "--resume", "--seed", "1")


def test_batches_hold_each_photo_once_and_its_own_captions(data: list[str], tmp_path: Path) -> None:
    store = FeatureStore.open(tmp_path / "store")
    photos = read_captions([tmp_path / "captions.jsonl"], [store])
    words = Words.build(TEXTS, 1)
    batches = Batches(photos, [store], words, 4, most=20)
    order = batches.epoch(3)
    assert len(order) == len(batches) == 3 and sorted(np.concatenate(order)) == list(range(9))
    for chosen in order:
        grid, captions = batches.load(chosen, 0)
        torch.testing.assert_close(grid, store.read(chosen))
        for i, own in zip(chosen, captions.tolist(), strict=True):
            assert len(own) == 5
            for row in own:
                assert words.text(n for n in row if n >= SPECIAL) == photos[i].captions[0]
                assert row[row.index(END) + 1 :] == [PAD] * (len(row) - row.index(END) - 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image": "0.webp"}', "has no 'image'"),
        ('{"image": "0.webp", "captions": ["a", 3]}', "has no 'image'"),
        ('{"image": "other.webp", "captions": ["a"]}', "names other.webp"),
    ],
)
def test_bad_lines_are_reported(line: str, message: str, data: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(line)
    with pytest.raises(InputError, match=message):
        read_captions([tmp_path / "bad.jsonl"], [FeatureStore.open(tmp_path / "store")])


def test_photos_are_encoded_by_the_models_own_encoder(data: list[str], tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(np.full((70, 64, 3), 60 * i, np.uint8)).save(tmp_path / f"photos/{i}.png")
    encode([tmp_path / "photos"], [tmp_path / "new"], str(tiny_checkpoint))
    store = FeatureStore.open(tmp_path / "new", VQA.load(tiny_checkpoint, "cpu").made_by())
    assert len(store) == 3 and "2.png" in store.rows
    with pytest.raises(InputError, match="different lengths"):
        encode([tmp_path / "photos"], [], None)
    with pytest.raises(InputError, match="made"):
        encode([tmp_path / "photos"], [tmp_path / "store"], str(tiny_checkpoint))
