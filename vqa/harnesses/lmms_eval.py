"""Glimpse as a model of lmms-eval (https://github.com/EvolvingLMMs-Lab/lmms-eval, written for 0.7.3).

With both packages installed, `lmms-eval --model glimpse --model_args pretrained=FOLDER --tasks vqav2_val_lite`.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from vqa.data.metric import normalize_answer
from vqa.harnesses import plain_question
from vqa.model.errors import InputError
from vqa.predict import VQA, Answer, Decoded, Look, ours

AUTO_BATCH = 32


class _Asked(NamedTuple):
    """A question and its photo."""

    question: str
    photo: Look | Decoded


class Glimpse(lmms):
    """Answers open questions about one photo, and scores the choices of a multiple-choice question.

    A question or a photo that cannot be read gets an empty answer; their number is logged at the end.

    pretrained, device, dtype: the arguments of `VQA.load`. batch_size: the number of questions whose photos are encoded
    in one batch, or "auto". max_batch_size: not used; lmms-eval may send it. Raises `InputError` for a wrong argument.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int | str = 1,
        max_batch_size: int | str | None = None,
        **others: Any,
    ):
        super().__init__()
        if others:
            raise InputError(
                f"The model argument '{next(iter(others))}' is unknown; give pretrained, device, dtype or batch_size."
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
        outside the model's answers has probability 0 and so an infinite loss. The pair is wrapped, because 0.7.3
        converts a bare one to text and then fails to read it.

        Raises `InputError` if none of the choices is among the model's answers, or a photo is missing.
        """
        if any(len(request.args) < 6 for request in requests):
            raise InputError("The metric acc_mutual_info asks without a photo; leave it out of the task's metrics.")
        scored: list[tuple[float, bool]] = []
        unknown = 0
        for request, answer in zip(requests, self._answers(requests, len(self.vqa.answers)), strict=True):
            target = request.args[1]
            choice = normalize_answer(target(self._row(request)) if callable(target) else target)
            score = dict(answer.top).get(choice) if answer else None
            unknown += answer is not None and score is None
            loss = math.inf if score is None else -math.log(max(score, sys.float_info.min))
            scored.append((loss, answer is not None and choice == answer.text))
        if scored and unknown == len(scored):
            raise InputError(
                f"None of the {unknown:,} choices is among the model's answers; "
                "run a task that asks for open answers (output_type: generate_until)."
            )
        if unknown:
            logger.warning(f"{unknown:,} of {len(scored):,} choices are not among the model's answers and lose.")
        return [GenerationResult(pair) for pair in scored]

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[str]:
        """Not possible: raises `InputError`."""
        raise InputError("Glimpse answers single questions and holds no conversation; run a task with one round.")

    def _answers(self, requests: Sequence[Instance], top: int = 1) -> Iterator[Answer | None]:
        """An answer for each request, in order; None where the question or the photo cannot be read."""
        refused: dict[tuple, str] = {}  # by task and row: the choices of a question count once
        for start in tqdm(range(0, len(requests), self.batch_size), desc="Glimpse", disable=self.rank != 0):
            batch = requests[start : start + self.batch_size]
            asked = [self._read(request) for request in batch]
            photos = {one.photo.key: one.photo for one in asked if isinstance(one, _Asked)}
            questions: dict[str, dict[str, Answer | str]] = {key: {} for key in photos}
            for one in asked:
                if isinstance(one, _Asked):
                    questions[one.photo.key][one.question] = ""
            for look, answers in zip(self.vqa.look_at(list(photos.values())), questions.values(), strict=True):
                answers |= self._ask(look, list(answers), top)
            for request, one in zip(batch, asked, strict=True):
                answer = questions[one.photo.key][one.question] if isinstance(one, _Asked) else one
                if isinstance(answer, str):
                    refused[request.args[4], request.args[3]] = answer
                yield None if isinstance(answer, str) else answer
        if refused:
            (task, row), reason = next(iter(refused.items()))
            logger.warning(f"{len(refused):,} questions could not be answered; the first, {task} row {row}: {reason}")

    def _read(self, request: Instance) -> _Asked | str:
        """The request's question and photo, or the reason why they cannot be read."""
        prompt, _, doc_to_visual = request.args[:3]
        # lmms-eval passes a method of the task, which knows what the task adds to its questions.
        added = getattr(getattr(doc_to_visual, "__self__", None), "lmms_eval_specific_kwargs", None) or {}
        question = plain_question(prompt, added.get("pre_prompt") or "", added.get("post_prompt") or "")
        try:
            photos = doc_to_visual(self._row(request))
            if not isinstance(photos, list | tuple) or len(photos) != 1:
                return "The question comes with no or several pictures; the model looks at one photo."
            return _Asked(question, self.vqa.decode(photos[0]))
        except Exception as error:  # the task's own code reads the photo and may raise anything
            return str(error) or type(error).__name__

    def _row(self, request: Instance) -> Any:
        row, task, split = request.args[3:6]
        return self.task_dict[task][split][row]

    def _ask(self, look: Look, questions: list[str], top: int) -> dict[str, Answer | str]:
        """The answer to each question, or the reason why there is none."""
        try:
            return dict(zip(questions, self.vqa.ask_many(look, questions, top), strict=True))
        except InputError as error:
            if len(questions) == 1:
                return {questions[0]: str(error)}
            return {question: answer for one in questions for question, answer in self._ask(look, [one], top).items()}


def _batch_size(value: int | str) -> int:
    if str(value).startswith("auto"):
        return AUTO_BATCH
    if not str(value).isdecimal() or int(value) < 1:
        raise InputError(f"The batch size '{value}' is not a number from 1 on; give one, or 'auto'.")
    return int(value)
