"""Questions as arrays and the batches cut from them."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.fitting.batches import Questions, SoftTargets, draw_mirrored, photo_batches, plain_batches, share
from vqa.data.examples import Example, targets
from vqa.data.vocabulary import build_tokenizer
from vqa.model.processing import VQAImageProcessor, VQAProcessor

EXAMPLES = [
    Example("b.png", "what is on the LEFT?", answers=("cat",) * 4 + ("dog",) * 3 + ("two", "2", "bird")),
    Example("a.png", "is it red?", answer="Yes"),
    Example("b.png", "how many?", answer="two"),
    Example("c.png", "what?", answer="an unheard-of thing"),
    Example("b.png", "what is right there in front of the house and the tree?", answer_scores={"dog": 0.6, "cow": 1.0}),
    Example("a.png", "is it all bright?", answer="no"),
]
INDEX = {answer: number for number, answer in enumerate(["yes", "2", "dog", "cat", "no"])}

photos = st.lists(st.integers(0, 7), min_size=1, max_size=60).map(lambda rows: np.unique(rows, return_inverse=True)[1])


@pytest.fixture(scope="module")
def processor() -> VQAProcessor:
    return VQAProcessor(VQAImageProcessor(64), build_tokenizer([example.question for example in EXAMPLES]))


@pytest.fixture(scope="module")
def questions(processor: VQAProcessor) -> Questions:
    return Questions.build(EXAMPLES, INDEX, processor)


def dense_labels(examples: Sequence[Example]) -> torch.Tensor:
    """The labels as one would write them first."""
    labels = torch.zeros(len(examples), len(INDEX))
    for row, example in enumerate(examples):
        for answer, score in targets(example).items():
            if answer in INDEX:
                labels[row, INDEX[answer]] = score
    return labels


@given(chosen=st.lists(st.sampled_from(range(len(EXAMPLES))), min_size=1, unique=True))
def test_a_batch_equals_its_questions(questions: Questions, processor: VQAProcessor, chosen: list[int]) -> None:
    asked = [EXAMPLES[i] for i in chosen]
    batch = questions.batch(np.array(chosen))
    input_ids, mask = processor.encode([example.question for example in asked])
    assert torch.equal(batch["input_ids"], input_ids)  # padded to the longest of these, not of all
    assert torch.equal(batch["attention_mask"], mask)
    assert torch.equal(batch["labels"], dense_labels(asked))
    photos = [questions.photos[row] for row in batch["rows"]]
    assert [photos[i] for i in batch["photo_index"]] == [example.image for example in asked]
    assert sorted(photos) == sorted({example.image for example in asked})
    assert not batch["mirror"].any()


@given(seed=st.integers(0, 99))
def test_left_and_right_are_exchanged_for_a_mirrored_photo(processor: VQAProcessor, seed: int) -> None:
    sides = {"left": "right", "right": "left"}
    examples = [
        Example(f"{number}.png", question, answer=answer)
        for number in range(9)
        for question, answer in (("which lamp is left of the bed", "right side"), ("where does it look", "left"))
    ]
    processor = VQAProcessor(processor.image_processor, build_tokenizer(["right", *(e.question for e in examples)]))
    index = {answer: number for number, answer in enumerate(("left", "a lamp", "left side", "right", "right side"))}
    questions = Questions.build(examples, index, processor)
    probabilities = np.arange(5 * len(examples)).reshape(-1, 5).astype(np.float16)
    questions.soft_targets = SoftTargets(np.tile(np.arange(5, dtype=np.int32), (len(examples), 1)), probabilities, 5)
    batch = questions.batch(np.arange(len(examples)), np.random.default_rng(seed))
    for row, example in enumerate(examples):
        change = bool(batch["mirror"][batch["photo_index"][row]])
        question, answer = (
            " ".join(sides.get(word, word) if change else word for word in text.split())
            for text in (example.question, example.answer)
        )
        assert batch["input_ids"][row, : len(question.split())].tolist() == processor.encode([question])[0][0].tolist()
        assert batch["labels"][row].nonzero().flatten().tolist() == [index[answer]]
        expected = probabilities[row, [3, 1, 4, 0, 2]] if change else probabilities[row]
        assert batch["soft_targets"][row].tolist() == expected.tolist()


def test_half_of_the_photos_are_mirrored_by_the_seed() -> None:
    one, again, other = (draw_mirrored(300, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other) and 120 < one.sum() < 180


@given(photo=photos, size=st.integers(1, 20), seed=st.none() | st.integers(0, 99))
def test_photo_batches_hold_each_question_once_and_whole_photos(photo: np.ndarray, size: int, seed: int | None) -> None:
    batches = photo_batches(photo, size, None if seed is None else np.random.default_rng(seed))
    questions = np.concatenate(batches)
    assert sorted(questions) == list(range(len(photo)))
    assert seed is not None or (np.diff(photo[questions]) >= 0).all()  # without an order photos keep theirs
    assert sum(len(set(photo[batch])) for batch in batches) == len(set(photo))  # each is in one batch
    most = np.bincount(photo).max()
    assert all(0 < len(batch) < size + most for batch in batches)  # about `size`: at most one photo more


def test_an_order_shuffles_and_repeats() -> None:
    photo = np.repeat(np.arange(40), 3)
    one, again, other = (np.concatenate(photo_batches(photo, 12, np.random.default_rng(s))) for s in (1, 1, 2))
    assert (one == again).all() and (one != other).any() and (one != np.arange(120)).any()


@given(count=st.integers(1, 60), size=st.integers(1, 20), seed=st.integers(0, 9))
def test_plain_batches_hold_each_question_once(count: int, size: int, seed: int) -> None:
    batches = plain_batches(count, size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert max(map(len, batches)) <= size and len(batches) == -(-count // size)


@given(count=st.integers(0, 30), processes=st.integers(1, 6))
def test_processes_share_equally_and_nothing_twice(count: int, processes: int) -> None:
    batches = [np.array([i]) for i in range(count)]
    parts = [[int(batch[0]) for batch in share(batches, process, processes)] for process in range(processes)]
    assert {len(part) for part in parts} == {count // processes}
    together = {number for part in parts for number in part}
    assert len(together) == count // processes * processes and together <= set(range(count))
