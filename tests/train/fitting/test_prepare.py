"""From files to what is learned."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fitted import Flags
from train.fitting.prepare import askable, merge, photo_number, prepare, read_all, split_by_photo
from train.fitting.settings import parse
from vqa.data.examples import Example
from vqa.data.vocabulary import build_tokenizer
from vqa.model.errors import InputError
from vqa.model.processing import VQAImageProcessor, VQAProcessor

EXAMPLES = [Example(f"{i % 20}.png", f"what {i}?", answer="a", question_id=i) for i in range(70)]
PROCESSOR = VQAProcessor(VQAImageProcessor(64), build_tokenizer(["what is it?"]))


@given(share=st.floats(0, 1), stream=st.integers(0, 4))
def test_photos_are_split_with_all_their_questions(share: float, stream: int) -> None:
    rest, held = split_by_photo(EXAMPLES, share, stream)
    assert sorted(e.question_id for e in (*rest, *held)) == list(range(70))
    assert not {e.image for e in rest} & {e.image for e in held}
    assert len({e.image for e in held}) == round(share * 20)
    assert [e.question_id for e in rest] == sorted(e.question_id for e in rest)  # the order stays


def test_the_split_depends_on_the_stream_and_not_on_the_order_of_the_data() -> None:
    first, reordered, other = (
        {e.image for e in split_by_photo(examples, 0.5, stream)[1]}
        for examples, stream in ((EXAMPLES, 0), (EXAMPLES[::-1], 0), (EXAMPLES, 4))
    )
    assert first == reordered != other


def test_equal_questions_become_one_with_all_answers() -> None:
    rows = [("What is it?", "cat"), ("why?", "no"), ("what is it?", "dog"), ("What is it?", None), ("?!", "cat")]
    merged = merge(Example("none", question, answer=answer) for question, answer in rows)
    assert [(e.question, e.answers) for e in merged] == [("what is it?", ("cat", "dog")), ("why?", ("no",))]


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1)
    | st.text("?! 1a'-é²…中", min_size=1, max_size=5)
    | st.sampled_from(["a" * 300, "a" * 301])
)
def test_what_is_askable_can_be_encoded_and_nothing_else(question: str) -> None:
    """But for characters newer than Python's own tables (Cn), which the tokenizer may know to be letters."""
    with nullcontext() if askable(question) else pytest.raises(InputError):
        PROCESSOR.encode([question])


def test_photo_numbers() -> None:
    for image, number in (("COCO_train2014_000000000025.jpg", "25"), ("p/000000000120.webp", "120"), ("0.png", "0")):
        assert photo_number(image) == number


def test_further_questions_are_only_trained_on(flags: Flags, world: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in (world / "photos").iterdir())
    extra = tmp_path / "extra.jsonl"
    rows = [{"image": name, "question": "Is there a zebra?", "answer": "no"} for name in names]
    extra.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = prepare(parse(flags(tmp_path / "plain")))
    more = prepare(parse(flags(tmp_path / "more", f"--data.extra=[{extra}]")))
    assert len(more.holdout) == len(plain.holdout) and len(more.validation) == len(plain.validation)
    assert len(more.train) == len(plain.train) + len(plain.train.photos)
    assert set(more.train.photos) == set(plain.train.photos) and more.priors == plain.priors


def test_long_answers_are_left_out_and_counted(tmp_path: Path) -> None:
    answers = ("bed", "bed, rug", "night stand", "The lamp!")
    rows = [{"image": "a.png", "question": "what?", "answer": answer} for answer in answers]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.png").touch()
    messages: list[str] = []
    files, images = [str(tmp_path / "q.jsonl")], [str(tmp_path)]
    assert [e.answer for e in read_all(files, images, messages, 1)] == ["bed", "The lamp!"]
    assert messages == [f"2 of 4 questions of {files[0]} left out: their answers are longer."]
    assert len(read_all(files, images, messages)) == 4 and len(messages) == 1


def test_a_source_is_not_trained_on_or_often(flags: Flags, world: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (world / "questions.jsonl").read_text().splitlines()]
    asked = tmp_path / "questions.jsonl"
    asked.write_text("".join(json.dumps(row | {"source": "ab"[i % 2]}) + "\n" for i, row in enumerate(rows)))
    own = [f"--data.train=[{asked}]", "--data.text=null"]
    plain = prepare(parse(flags(tmp_path / "plain", *own)))
    more = prepare(parse(flags(tmp_path / "without", *own, "--data.without=[b]")))
    assert len(more.train) == (len(plain.train) + 1) // 2 and len(more.holdout) == len(plain.holdout)
    assert f"{len(plain.train) - len(more.train)} questions of b are not trained on." in more.messages
    often = prepare(parse(flags(tmp_path / "often", *own, "--data.often=[b]")))
    assert len(often.train) == len(plain.train) + 2 * (len(plain.train) - len(more.train))
    assert len(often.holdout) == len(plain.holdout)
    assert often.net.config.to_dict() == plain.net.config.to_dict()  # the same words and answers


def test_questions_for_presence_are_known(flags: Flags, world: Path, tmp_path: Path) -> None:
    """Of the others only those count that people answered with yes or no."""
    name = min(path.name for path in (world / "photos").iterdir())
    kinds = [("yes", "boxes", "presence"), ("yes", "boxes", "relation"), ("no", "captions", None), ("no", "vsr", "on")]
    rows = [
        {"image": name, "question": "Is it?", "answer": answer, "source": source, "question_type": kind}
        for answer, source, kind in kinds
    ]
    (tmp_path / "extra.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = [f"--data.extra=[{tmp_path}/extra.jsonl]", "--optim.presence_offset=0.3"]
    prepared = prepare(parse(flags(tmp_path / "run", *more)))
    assert prepared.train.presence is not None and prepared.train.presence[-4:].tolist() == [1, -1, -1, 0]
