"""Yes/no questions from captions: true, fair, and the same for the same seed."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.train.refused import refused
from train.caption_questions import main
from train.captions.nouns import Nouns, article, find_nouns, plural
from vqa.data.readers import read_examples

SCENES = {
    "dog": "A dog on a couch.", "cat": "There is a cat near a lamp.", "bus": "Two buses next to a tree",
    "elephant": "an elephant with a ball .", "umbrella": "A woman under an umbrella", "kite": "A boy is flying a kite.",
}  # fmt: skip
MORE = ["A bus at a stop.", "a lamp, and a tree.", "A woman is here.", "A boy in a tree by a couch.", "a ball."]


def captions_file(path: Path, photos: Sequence[Sequence[str]]) -> Path:
    rows = [{"image": f"{i}.jpg", "captions": list(captions)} for i, captions in enumerate(photos)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def captions_path(tmp_path: Path) -> Path:
    """Sixty photos with two captions each."""
    texts = [*SCENES.values(), *MORE]
    photos = [(texts[i % len(texts)], texts[(i // 5) % len(texts)]) for i in range(60)]
    return captions_file(tmp_path / "captions.jsonl", photos)


def written(*flags: object) -> bytes:
    """The file that the command writes; its flags end with the output."""
    assert main([str(flag) for flag in flags]) == 0
    return Path(str(flags[-1])).read_bytes()


def test_nouns_are_found_by_their_place(captions_path: Path) -> None:
    photos = [json.loads(line)["captions"] for line in captions_path.read_text().splitlines()]
    expected = "ball boy bus cat couch dog elephant kite lamp tree umbrella woman"
    assert find_nouns(photos) == expected.split()


@pytest.mark.parametrize(
    ("caption", "there", "near"),
    [
        ("Two dogs on grass", {"dog"}, {"dog"}),
        ("two men are here", {"man"}, {"man"}),
        ("a group of men", {"man"}, {"man", "woman"}),
        ("A dog show.", set(), {"dog"}),  # no dog for sure, nor none
        ("a street without a dog", set(), {"dog"}),
        ("a boy and man waves at a woman", {"woman"}, {"man", "woman"}),  # no wave
        ("waves in the sea", {"wave"}, set()),
        ("a hot dog on a plate", set(), set()),
        ("a hotdog", set(), set()),
        ("a puppy", set(), {"dog"}),
        ("a sofa by a tv", set(), {"couch", "television"}),
        ("some people", set(), {"man", "woman"}),
        ("a motorbike.", set(), {"bike"}),
        ("a lady.", set(), {"woman"}),
        ("an airplane", set(), {"plane"}),
        ("talking on her cellphone", set(), {"phone"}),
    ],
)
def test_what_a_caption_says(caption: str, there: set[str], near: set[str]) -> None:
    nouns = Nouns(["dog", "man", "woman", "wave", "couch", "television", "bike", "plane", "phone"])
    named, meant = nouns.read([caption])
    assert (set(named), meant - {"wave"}) == (there, near)


def test_a_general_word_does_not_rule_out_its_kinds() -> None:
    nouns = Nouns(["animal", "dog", "cat"])
    assert nouns.read(["A cat."])[1] == {"animal", "cat"}
    assert nouns.read(["An animal."])[1] == {"animal", "dog", "cat"}


def test_plurals_and_articles() -> None:
    plurals = {"man": "men", "box": "boxes", "bus": "buses", "baby": "babies", "boy": "boys", "knife": "knives"}
    assert {noun: plural(noun) for noun in plurals} == plurals
    articles = {"umbrella": "an", "uniform": "a", "utensil": "a", "dog": "a"}
    assert {noun: article(noun) for noun in articles} == articles


def test_questions_are_true_and_fair(captions_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written("--captions", captions_path, "--per-photo", 2, "--output", tmp_path / "out.jsonl")
    examples = read_examples(tmp_path / "out.jsonl")
    assert f"{len(examples)} questions about" in capsys.readouterr().out
    rows = map(json.loads, captions_path.read_text().splitlines())
    captions = {row["image"]: " ".join(row["captions"]).lower() for row in rows}
    answers = Counter((e.question, e.answer) for e in examples)
    for example in examples:
        thing = example.question.removesuffix("?").split()[-1]
        assert example.question == f"Is there {'an' if thing[0] in 'eu' else 'a'} {thing}?"
        assert (thing in captions[example.image]) == (example.answer == "yes")
        assert answers[example.question, "yes"] == answers[example.question, "no"]
        assert (example.answer_type, example.source) == ("yes/no", "captions")
    assert len({e.question_id for e in examples}) == len({(e.image, e.question) for e in examples}) == len(examples)
    assert len(examples) > 120
    assert max(Counter((e.image, e.answer) for e in examples).values()) == 2


def test_varied_questions_ask_in_several_ways_as_the_seed_decides(captions_path: Path, tmp_path: Path) -> None:
    flags = ["--captions", captions_path, "--per-photo", 3, "--varied", "--output", tmp_path / "out.jsonl"]
    one, again, other = (written("--seed", seed, *flags) for seed in (1, 1, 4))
    assert one == again != other
    for words in ("Is there an umbrella?", "Are there any buses?", "in the picture?", "Do you see a", "Can you see an"):
        assert words in one.decode()


def test_one_photo_in_two_files_is_one_photo(tmp_path: Path) -> None:
    """Captions of both files count for a photo: here all photos have both animals, so that no answer can be no."""
    files = [captions_file(tmp_path / f"{name}.jsonl", [[f"a {name}."]] * 6) for name in ("dog", "cat")]
    assert "name the same things" in refused(main, "--captions", *files, "--output", tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"image": "a.jpg", "captions": ["a dog."]}\nno\n', "Line 2"),
        ('{"image": "a.jpg", "captions": "a dog."}\n', "Line 1"),
        ('{"image": "a.jpg"}\n', "Line 1"),
        ('{"captions": ["a dog."]}\n', "Line 1"),
        ('{"image": "a.jpg", "captions": ["a dog."]}\n', "no frequent noun"),
        ("", "no frequent noun"),
        (None, "captions.jsonl"),
    ],
)
def test_bad_captions_are_reported(content: str | None, sentence: str, tmp_path: Path) -> None:
    path, output = tmp_path / "captions.jsonl", tmp_path / "out.jsonl"
    if content is not None:
        path.write_text(content)
    assert sentence in refused(main, "--captions", path, "--output", output)
    assert not output.exists()


@pytest.mark.parametrize("flag", ["--per-photo=0", "--seed=-1"])
def test_numbers_are_checked(flag: str, captions_path: Path) -> None:
    assert flag[:6] in refused(main, "--captions", captions_path, "--output", "out.jsonl", flag)


def test_real_captions(shared: Path, tmp_path: Path) -> None:
    """Half of the questions about each noun have the answer yes, and all frequent things of COCO are asked about."""
    written("--captions", shared / "data/coco/captions_val.jsonl", "--output", tmp_path / "out.jsonl")
    examples = read_examples(tmp_path / "out.jsonl")
    answers = Counter((e.question, e.answer) for e in examples)
    questions = {e.question for e in examples}
    assert all(answers[q, "yes"] == answers[q, "no"] for q in questions)
    assert len(examples) > 1000
    things = ("a man", "a dog", "a train", "a pizza", "a cell phone", "a bus", "an airplane")
    assert {f"Is there {thing}?" for thing in things} <= questions
    assert not any(q.endswith((" men?", " people?", " standing?", " red?", " picture?", " of?")) for q in questions)
