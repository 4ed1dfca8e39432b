"""Simultaneous questions of several users are answered in one batch."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from vqa.model.photos import open_photo

if TYPE_CHECKING:
    from vqa.model.text import Answer
    from vqa.predict import VQALike

TOGETHER = 32  # requests in a batch, at most
WAITING = 256  # requests in a queue; further ones are refused


class Asked(NamedTuple):
    """One user's questions about a decoded photo."""

    vqa: "VQALike"
    photo: Any
    questions: Sequence[str]
    answers: "Future[list[Answer]]"


class Batches:
    """The queue before the lock of a model: who gets the lock answers all who wait for it, in one batch.

    So nobody waits for others to come, and batches grow with the load. waiting: how many requests are not answered yet.
    """

    def __init__(self, lock: Any):
        self._lock, self._queue = lock, deque[Asked]()
        self._counting, self.waiting = threading.Lock(), 0

    def ask(self, vqa: "VQALike", photo: Any, questions: Sequence[str]) -> "list[Answer]":
        """As `VQA.ask_many`. The photo is decoded, and a bad request refused, before the model is locked."""
        self._count(1)
        try:
            for question in questions:
                vqa.check(question)
            asked = Asked(vqa, decode(vqa, photo), questions, Future())
            self._queue.append(asked)
            with self._lock:
                while not asked.answers.done():
                    batch = [self._queue.popleft() for _ in range(min(len(self._queue), TOGETHER))]
                    try:
                        self._answer(batch)
                    except BaseException:  # of this thread, which ends it; the others answer their questions themselves
                        self._queue.extendleft(one for one in batch if one is not asked and not one.answers.done())
                        raise
            return asked.answers.result()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self.waiting += change

    def _answer(self, batch: list[Asked]) -> None:
        """Answer requests, those to the same model together; if that fails, each alone."""
        for vqa in {id(asked.vqa): asked.vqa for asked in batch}.values():
            some = [asked for asked in batch if asked.vqa is vqa]
            try:
                answers = ask_all(vqa, [asked.photo for asked in some], [asked.questions for asked in some])
            except Exception as error:
                if len(some) == 1:
                    some[0].answers.set_exception(error)
                else:
                    for asked in some:
                        self._answer([asked])
            else:
                for asked, answer in zip(some, answers, strict=True):
                    asked.answers.set_result(answer)


def decode(vqa: "VQALike", photo: Any) -> Any:
    """The photo for the methods of a model, which need not be locked for this. Raises `InputError`."""
    return getattr(vqa, "decode", open_photo)(photo)


def ask_all(vqa: "VQALike", photos: Sequence[Any], questions: Sequence[Sequence[str]]) -> "list[list[Answer]]":
    """As `VQA.ask_all`, which a foreign model does not have."""
    if together := getattr(vqa, "ask_all", None):
        return together(photos, questions)
    return [vqa.ask_many(photo, some) for photo, some in zip(photos, questions, strict=True)]
