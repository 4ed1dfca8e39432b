"""The suite that asks whether a model looks, on the drawn world, and its card."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.refusal import refusal
from tests.evaluation.files import SCHEMA, read
from vqa import cli
from vqa.checkpoint.card import suite
from vqa.data.examples import Example
from vqa.evaluation import looking
from vqa.evaluation.probes.wordings import Blind, Mirror, Presence, in_the_mirror, objects_of, with_article
from vqa.model.text import Answer, Score


class Sees:
    """A model that answers by the photo's colours: is it red, and on which side is it brighter?"""

    kind, name = "test", "sees"

    def look(self, photo):
        return np.asarray(photo.convert("RGB") if isinstance(photo, Image.Image) else Image.open(photo).convert("RGB"))

    square = look

    def check(self, question: str) -> str:
        return ""

    def ask_many(self, photo, questions, top=5, blind=True):
        return [self.answer(photo, question) for question in questions]

    def ask_without(self, questions):
        return [Score("no", 0.5)] * len(questions)

    def answer(self, photo: np.ndarray, question: str) -> Answer:
        red = photo[..., 0].mean() > photo[..., 1].mean() + 20
        text = "yes" if ("red" in question) == red or "visible" in question else "no"
        if "side" in question:
            half = photo.shape[1] // 2
            text = "left" if photo[:, :half].mean() > photo[:, half:].mean() else "right"
        return Answer(text, 0.9, [Score(text, 0.9)], np.ones((1, 2, 2)) / 4, [], [], None, None, True, None, {}, "sees")


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    names = [str(tmp_path / f"{i}.png") for i in range(2)]
    for name, colour in zip(names, [(250, 20, 20), (20, 250, 20)], strict=True):
        pixels = np.full((8, 8, 3), 10, np.uint8)
        pixels[:, :3] = colour
        Image.fromarray(pixels).save(name)
    return names


def only(probe):
    ((_, figures),) = probe.run()
    return figures


def test_presence_counts_wordings_and_things(photos: list[str]) -> None:
    objects = {"0.png": frozenset({"red cup"}), "1.png": frozenset({"green cup"})}
    examples = [Example(photo, "what?", "x") for photo in photos]
    figures = only(Presence(Sees(), examples, objects=objects))
    # of ten wordings one is always answered 'yes': it is wrong for the two things that are not there
    assert figures["n"] == 4 and figures["right"] == 95 and figures["yes"] == 55
    assert figures["consistent"] == figures["all_right"] == 50
    assert not list(Presence(Sees(), examples, objects={}).run())
    (scenes := Path(photos[0]).with_name("scenes.json")).write_text("[1]")
    assert "is not a list of scenes" in refusal(objects_of, None, scenes)
    names = [with_article(name) for name in ("dog", "apple", "scissors", "skis")]
    assert names == ["a dog", "an apple", "scissors", "skis"]


def test_left_and_right_are_swapped_in_the_mirror(photos: list[str]) -> None:
    examples = [Example(photos[0], "on which side is it?", "left"), Example(photos[1], "on which side is it?", "right")]
    figures = only(Mirror(Sees(), examples))
    assert (figures["exact"], figures["mirrored"], figures["both"], figures["same"]) == (50, 50, 50, 0)
    assert in_the_mirror("Is it on the left?", "yes") == ("Is it on the right?", "yes")
    assert in_the_mirror("left or right?", "left") == ("left or right?", "right")
    assert in_the_mirror("what is the leftmost thing?", "cat") == ("what is the rightmost thing?", "cat")
    assert not list(Mirror(Sees(), [Example(photos[0], "what?", "cat")]).run())


def test_without_the_photo(photos: list[str]) -> None:
    examples = [Example(photos[0], "is it red?", "yes"), Example(photos[1], "is it red?", "no")]
    figures = only(Blind(Sees(), examples))
    assert (figures["photo"], figures["grey"], figures["none"], figures["drop"]) == (100, 50, 50, 50)


def test_the_card_of_the_drawn_world(tiny_checkpoint, tmp_path, monkeypatch, capsys) -> None:
    """Without any data; two cards beside each other; the card in the model's card."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(looking, "SCENES", 4)
    monkeypatch.setattr(looking, "QUESTIONS", 8)
    words = ["evaluate", "--suite", "looking", "--data", "world", "--model", str(tiny_checkpoint), "--device", "cpu"]
    for name in ("one", "two"):
        assert cli.main([*words, "--output", str(tmp_path / name)]) == 0
    assert "does it look?" in capsys.readouterr().out
    results = read(tmp_path / "one/results.json")
    SCHEMA.validate(results)
    card = {row["name"]: row["figure"] for row in results["looking"]["card"]}
    assert card["exact match, %"] == results["metrics"]["exact"]
    assert card["lost about another photo, points"] == results["grounding"]["photo_swap"]["drop"]
    assert card["left and right, right in the photo and its mirror, %"] == results["looking"]["mirror"]["both"]
    assert card["exact about a grey photo, %"] == results["looking"]["blind"]["grey"]
    assert {*results["robustness"]["variants"]} == {"typos"} and results["grounding"]["pointing"]["n"]
    assert cli.main(["compare", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    assert "cards side by side" in capsys.readouterr().out
    assert suite(results).count("\n") == len(card) + 3 and suite({}) == ""
