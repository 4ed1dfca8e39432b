"""Glimpse as a model of lmms-eval (https://github.com/EvolvingLMMs-Lab/lmms-eval, written for 0.7.3).

With both packages installed, `lmms-eval --model glimpse --model_args pretrained=FOLDER --tasks vqav2_val_lite`.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import Image
from tqdm import tqdm

from vqa.data.metric import normalize_answer
from vqa.harnesses import plain_question
from vqa.model.errors import InputError
from vqa.predict import VQA, Answer, Look, ours

AUTO_BATCH = 32


class _Asked(NamedTuple):
    """A question, and the photo in the model's square `(S, S, 3)` as bytes: equal photos have equal bytes."""

    question: str
    photo: bytes


class Glimpse(lmms):
    """Answers open questions about one photo, and scores the choices of a multiple-choice question.

    A question or a photo that cannot be read gets an empty answer; how many there were is told at the end.

    Args:
        pretrained: a checkpoint's folder or a Hub id; the bundled model if None.
        device, dtype: as for `VQA.load`.
        batch_size: questions taken together; their photos are encoded in one batch. A number or "auto".
        max_batch_size: not used; lmms-eval may send it.

    Raises:
        InputError: there is no such model, device or number type, or an argument is unknown.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int | str = 1,
        max_batch_size: int | str | None = None,
        **unknown: Any,
    ):
        super().__init__()
        if unknown:
            raise InputError(
                f"The model argument '{next(iter(unknown))}' is unknown; give pretrained, device, dtype or batch_size."
            )
        self.batch_size = _batch_size(batch_size)
        self.vqa = ours(VQA.load(pretrained, device=device or "auto", dtype=dtype))
        self.device = self.vqa.device

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """The best answer of each question, empty where there is none."""
        return [answer.text if answer else "" for answer in self._answers(requests)]

    def loglikelihood(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """For each choice the pair of its loss, -log p, and whether it is the model's best answer.

        The loss and not the log-likelihood, since lmms-eval takes the choice with the lowest number. A choice
        outside the model's answers has probability 0 and so an infinite loss. The pair is wrapped, as 0.7.3
        turns a bare one into text and then fails to read it.

        Raises:
            InputError: the model has none of the choices among its answers, or is asked without a photo.
        """
        if any(len(request.args) < 6 for request in requests):
            raise InputError("The metric acc_mutual_info asks without a photo; leave it out of the task's metrics.")
        scored: list[tuple[float, bool]] = []
        foreign = 0
        for request, answer in zip(requests, self._answers(requests, len(self.vqa.answers)), strict=True):
            target = request.args[1]
            choice = normalize_answer(target(self._row(request)) if callable(target) else target)
            score = dict(answer.top).get(choice) if answer else None
            foreign += answer is not None and score is None
            loss = math.inf if score is None else -math.log(max(score, sys.float_info.min))
            scored.append((loss, answer is not None and choice == answer.text))
        if scored and foreign == len(scored):
            raise InputError(
                f"None of the {foreign:,} choices is among the model's answers; "
                "run a task that asks for open answers (output_type: generate_until)."
            )
        if foreign:
            logger.warning(f"{foreign:,} of {len(scored):,} choices are not among the model's answers and lose.")
        return [GenerationResult(pair) for pair in scored]

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[str]:
        """Not possible: raises `InputError`."""
        raise InputError("Glimpse answers single questions and holds no conversation; run a task with one round.")

    def _answers(self, requests: Sequence[Instance], top: int = 1) -> Iterator[Answer | None]:
        """An answer for each request, in order; None where the question or the photo cannot be read."""
        refused: dict[tuple, str] = {}  # by task and row: the choices of a question count once
        looks: dict[bytes, Look] = {}
        for start in tqdm(range(0, len(requests), self.batch_size), desc="Glimpse", disable=self.rank != 0):
            batch = requests[start : start + self.batch_size]
            read = [self._read(request) for request in batch]
            asked = [one for one in read if isinstance(one, _Asked)]
            # Questions about a photo stand together: the looks of the last batch may serve again.
            looks = self._look([one.photo for one in asked], looks)
            answers: dict[_Asked, Answer | str] = {}
            for photo, look in looks.items():
                questions = list(dict.fromkeys(one.question for one in asked if one.photo == photo))
                told = self._ask(look, questions, top)
                answers |= {_Asked(question, photo): one for question, one in zip(questions, told, strict=True)}
            for request, one in zip(batch, read, strict=True):
                answer = answers[one] if isinstance(one, _Asked) else one
                if isinstance(answer, str):
                    refused[request.args[4], request.args[3]] = answer
                yield None if isinstance(answer, str) else answer
        if refused:
            (task, row), reason = next(iter(refused.items()))
            logger.warning(f"{len(refused):,} questions could not be answered; the first, {task} row {row}: {reason}")

    def _read(self, request: Instance) -> _Asked | str:
        """What the request asks, or why that cannot be read."""
        prompt, _, doc_to_visual = request.args[:3]
        # lmms-eval hands over a method of the task, which knows what the task puts around its questions.
        around = getattr(getattr(doc_to_visual, "__self__", None), "lmms_eval_specific_kwargs", None) or {}
        question = plain_question(prompt, around.get("pre_prompt") or "", around.get("post_prompt") or "")
        try:
            photos = doc_to_visual(self._row(request))
            if not isinstance(photos, list | tuple) or len(photos) != 1:
                return "The question comes with no or several pictures; the model looks at one photo."
            return _Asked(question, self.vqa.square(photos[0]).tobytes())
        except Exception as error:  # the task's own code reads the photo and may raise anything
            return str(error) or type(error).__name__

    def _row(self, request: Instance) -> Any:
        row, task, split = request.args[3:6]
        return self.task_dict[task][split][row]

    def _look(self, photos: Sequence[bytes], known: dict[bytes, Look]) -> dict[bytes, Look]:
        """The looks at these photos, of which the new ones are encoded in one batch."""
        looks = {photo: known.get(photo) for photo in photos}
        new = [photo for photo, look in looks.items() if look is None]
        if new:
            size = self.vqa.checkpoint.size
            squares = np.stack([np.frombuffer(photo, dtype=np.uint8).reshape(size, size, 3) for photo in new])
            grids = self.vqa.encode_squares(squares)
            for photo, square, grid in zip(new, squares, grids, strict=True):
                looks[photo] = Look(Image.fromarray(square), grid[None], 0.0)
        return {photo: look for photo, look in looks.items() if look}

    def _ask(self, look: Look, questions: list[str], top: int) -> list[Answer | str]:
        """An answer for each question, or why there is none."""
        try:
            return list(self.vqa.ask_many(look, questions, top))
        except InputError as error:
            if len(questions) == 1:
                return [str(error)]
            return [answer for question in questions for answer in self._ask(look, [question], top)]


def _batch_size(value: int | str) -> int:
    if str(value).startswith("auto"):
        return AUTO_BATCH
    if not str(value).isdecimal() or int(value) < 1:
        raise InputError(f"The batch size '{value}' is not a number from 1 on; give one, or 'auto'.")
    return int(value)
