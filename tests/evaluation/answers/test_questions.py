"""The survey of a data set, and its questions grouped by photo."""

from pathlib import Path

import pytest

from vqa.data.examples import Example, write_jsonl
from vqa.evaluation.answers import questions
from vqa.evaluation.answers.questions import Survey, batches, read_photos, survey
from vqa.evaluation.options import Options
from vqa.model.errors import InputError

TEN = ("red",) * 10


def options(folder: Path, examples: list[Example], **more: str) -> Options:
    write_jsonl(examples, folder / "data.jsonl")
    return Options(str(folder / "data.jsonl"), predictions="theirs.json", **more)


def test_survey_counts_answers(tmp_path: Path) -> None:
    answers = [TEN, TEN[:9], ("red",), ()]
    examples = [Example("a.png", "What?", answers=given) for given in answers]
    surveyed = survey(options(tmp_path, examples))
    assert surveyed == Survey(n=4, answered=3, official=1, few=1)
    assert surveyed.remarks("exact") == [
        "1 of 4 questions have no answer to compare with, so they are not scored.",
        "1 questions have fewer than ten answers, so the official accuracy leaves them out.",
    ]
    assert Survey(3, 3, 1, 0).remarks("official")[0].startswith("2 questions have fewer than ten answers")
    assert Survey(3, 3, 3, 0).remarks("official") == Survey(3, 3, 0, 0).remarks("exact") == []


def test_different_ids_with_one_hash_are_no_duplicates(tmp_path: Path) -> None:
    """In Python hash(-1) == hash(-2)."""
    ids = [-1, -2, 5, "5", 2**61 - 1, 0]
    examples = [Example("a.png", "What?", "red", question_id=identity) for identity in ids]
    assert survey(options(tmp_path, examples)).n == 6
    twice = [*examples, examples[1], examples[1], examples[3], Example("a.png", "What?", question_id=10)]
    with pytest.raises(InputError, match=r"repeats the question_id of 3 of its 10 questions \(such as -2\)"):
        survey(options(tmp_path, twice))
    nameless = Example("a.png", "What?", "red")  # whose place is its id
    with pytest.raises(InputError, match=r"repeats the question_id of 1 of its 7 questions \(such as 0\)"):
        survey(options(tmp_path, [nameless, *examples]))


def test_data_that_cannot_be_evaluated_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("\n")
    with pytest.raises(InputError, match="holds no example"):
        survey(Options(str(tmp_path / "data.jsonl")))
    one = [Example("nowhere.png", "What?", "red")]
    with pytest.raises(InputError, match="has ten answers, as the official accuracy needs"):
        survey(options(tmp_path, one, metric="official"))
    with pytest.raises(InputError, match=r"None of the photos of .* is in its place"):
        survey(Options(options(tmp_path, one).data))


@pytest.fixture
def examples() -> list[Example]:
    """Fifteen questions about five photos, those about one not together."""
    return [Example(f"{photo}.png", question) for question in ("What?", "Who?", "Where?") for photo in range(5)]


def test_unreadable_photos_are_reported_with_their_batch(examples: list[Example]) -> None:
    def read(image: str) -> str:
        if image in ("0.png", "3.png", "4.png"):
            raise InputError(f"{image} is damaged.")
        return image.upper()

    results = [(batch.number, photos, errors) for batch, photos, errors in read_photos(batches(examples, 3), read)]
    damaged = {number: f"{number}.png is damaged." for number in (0, 3, 4)}
    assert results == [
        (0, {"1.png": "1.PNG", "2.png": "2.PNG"}, {"0.png": damaged[0]}),
        (1, {}, {"3.png": damaged[3], "4.png": damaged[4]}),
    ]


def test_batches_hold_every_question_once(examples: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    for window, most, size in [(100, 100, 2), (100, 4, 32), (4, 100, 3), (7, 2, 2), (100, 100, 1)]:
        monkeypatch.setattr(questions, "WINDOW", window)
        monkeypatch.setattr(questions, "MOST_QUESTIONS", most)
        made = list(batches(iter(examples), size))
        assert [number for number, _ in made] == list(range(len(made)))
        asked = [pair for _, batch in made for part in batch.values() for pair in part]
        assert sorted(asked, key=lambda pair: pair[0]) == list(enumerate(examples))
        for _, batch in made:
            assert len(batch) <= size + 1
            assert all(example.image == image for image, part in batch.items() for _, example in part)
            # a last photo that joined may bring its questions, one window's at most
            assert sum(map(len, batch.values())) <= 2 * max(most, 3)
        assert made == list(batches(examples, size))


def test_last_photo_joins_the_batch_before(examples: list[Example]) -> None:
    assert [len(batch) for _, batch in batches(examples, 2)] == [2, 3]
    assert [len(batch) for _, batch in batches(examples, 4)] == [5]
    assert list(batches([])) == []
