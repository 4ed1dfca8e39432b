"""Simultaneous questions: answered together, refused alone."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ui.conftest import QUESTION
from ui.batches import Batches
from vqa.model.errors import InputError

QUESTIONS = [QUESTION, "is it red?", "how many cats are there?", "cat"]


@pytest.fixture
def batches() -> Batches:
    return Batches(threading.RLock())


@pytest.fixture
def sizes(vqa, monkeypatch) -> list[int]:
    """How many requests each batch of the model has."""
    sizes: list[int] = []
    ask_all = vqa.ask_all
    monkeypatch.setattr(vqa, "ask_all", lambda photos, *rest: (sizes.append(len(photos)), ask_all(photos, *rest))[1])
    return sizes


def ask_at_once(batches: Batches, vqa, requests: list[tuple[bytes, list[str]]]) -> list[Future]:
    """Let a thread ask each request while the model is locked, and unlock it when all wait."""
    with ThreadPoolExecutor(len(requests)) as pool, batches._lock:
        results = [pool.submit(batches.ask, vqa, *request) for request in requests]
        while len(batches._queue) + sum(result.done() for result in results) < len(requests):
            threading.Event().wait(0.01)
        assert batches.waiting == len(batches._queue)
    assert batches.waiting == 0
    return results


def test_those_who_wait_are_answered_in_one_batch(batches, vqa, photo: Path, tmp_path, sizes):
    other = photo.read_bytes() + b"\0"  # another content with the same pixels
    requests = [(content, [question]) for content in (photo.read_bytes(), other) for question in QUESTIONS]
    requests.append((other, QUESTIONS))
    found = [result.result() for result in ask_at_once(batches, vqa, requests)]
    assert sizes == [len(requests)]
    for (content, questions), answers in zip(requests, found, strict=True):
        for question, answer in zip(questions, answers, strict=True):
            alone = vqa.ask(content, question)
            assert answer.text == alone.text and answer.confidence == pytest.approx(alone.confidence, abs=1e-5)
            assert answer.attention == pytest.approx(alone.attention, abs=1e-5)


def test_a_bad_request_is_refused_alone_and_takes_no_place_in_the_batch(batches, vqa, photo, sizes):
    content = photo.read_bytes()
    requests = [(content, [QUESTION]), (b"no photo", [QUESTION]), (content, [""]), (content, ["cat"])]
    good, no_photo, no_question, last = ask_at_once(batches, vqa, requests)
    assert good.result() and last.result() and sizes == [2]
    for refused in (no_photo, no_question):
        with pytest.raises(InputError):
            refused.result()


def test_what_breaks_a_batch_fails_alone(batches, vqa, photo, monkeypatch):
    ask_all = vqa.ask_all

    def fragile(photos, questions):
        if ["cat"] in questions:
            raise RuntimeError("broken")
        return ask_all(photos, questions)

    monkeypatch.setattr(vqa, "ask_all", fragile)
    *good, broken = ask_at_once(batches, vqa, [(photo.read_bytes(), [question]) for question in QUESTIONS])
    assert all(len(result.result()) == 1 for result in good)
    with pytest.raises(RuntimeError):
        broken.result()


def test_who_is_ended_leaves_the_others_their_questions(batches, vqa, photo, monkeypatch):
    ask_all = vqa.ask_all

    def end_once(*requests):
        monkeypatch.setattr(vqa, "ask_all", ask_all)
        raise KeyboardInterrupt

    monkeypatch.setattr(vqa, "ask_all", end_once)
    results = ask_at_once(batches, vqa, [(photo.read_bytes(), [question]) for question in QUESTIONS])
    assert sum(isinstance(result.exception(), KeyboardInterrupt) for result in results) == 1
    assert sum(result.exception() is None and len(result.result()) == 1 for result in results) == len(QUESTIONS) - 1


def test_a_photo_is_decoded_while_the_model_is_in_use(models, photo):
    with models.use(), ThreadPoolExecutor(1) as pool:
        decoded = pool.submit(models.decode, photo.read_bytes()).result(timeout=60)
    assert decoded.photo.size == (160, 120)
