"""Answers to all questions of a data set, a batch of photos at a time, by one process or several."""

import itertools
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqa.data.examples import Example
from vqa.data.parallel import map_ahead
from vqa.evaluation.answers.questions import Batch, batches, examples_of, question_name, read_photos, refusal
from vqa.evaluation.answers.records import Journal
from vqa.evaluation.answers.scores import Answered, Judge, Priors, Record
from vqa.evaluation.answers.submitted import submitted_records
from vqa.evaluation.options import Options
from vqa.foreign import Refused
from vqa.model.errors import InputError
from vqa.model.photos import open_photo
from vqa.model.text import is_sure
from vqa.predict import VQA, Answer, VQALike, best_of, divergence, ours, softmax
from vqa.script import reuse_memory

if TYPE_CHECKING:
    from vqa.data.features import FeatureStore  # needs PyTorch

RUNNERS_UP = 3


@dataclass(frozen=True, slots=True)
class Skipped:
    """A question that was left out; reason: 'photo' or 'question'; message: a sentence for the user."""

    index: int
    reason: str
    message: str


Result = Answered | Skipped
Asked = tuple[int, Example, int]  # the question's place in the data, the question, its photo's row in the grid


def answers(
    vqa: VQALike,
    batches: Iterable[Batch],
    features: "FeatureStore | None" = None,
    name_of: Callable[[str], str] = lambda image: Path(image).name,
    swap_seed: int | None = None,
    keep_logits: bool = False,
    top: int = RUNNERS_UP,
) -> Iterator[tuple[int, list[Result]]]:
    """Answer batch by batch: its number, and a result for each of its questions.

    features: grids to read instead of photos, by `name_of(image)`. swap_seed: ask each question about another photo of
    its batch, too. top: how many of the best answers to list. The results of a batch do not depend on those before it.
    """
    if vqa.kind:
        yield from foreign_answers(vqa, batches, swap_seed, top)
        return
    vqa = ours(vqa)
    grids = encoded_grids(vqa, batches) if features is None else stored_grids(features, batches, name_of)
    for batch, images, grid, errors in grids:
        results: list[Result] = unreadable(batch, errors)
        asked = [(index, example, row) for row, image in enumerate(images) for index, example in batch.photos[image]]
        other = None if swap_seed is None else derangement(len(images), (swap_seed, batch.number))
        with vqa.fast():
            try:
                results += answer(vqa, grid, asked, other, keep_logits, top)
            except InputError:  # some of the questions cannot be asked; this is rare, so they are sought only now
                reasons = {index: reason for index, e, _ in asked if (reason := refusal(vqa.check, e.question))}
                results += [refused(index, e, reasons[index]) for index, e, _ in asked if index in reasons]
                results += answer(vqa, grid, [a for a in asked if a[0] not in reasons], other, keep_logits, top)
        yield batch.number, results


Grids = Iterator[tuple[Batch, list[str], Any, dict[str, str]]]  # batch, its readable photos, grid `(P, N, D)`, errors


def encoded_grids(vqa: VQA, batches: Iterable[Batch]) -> Grids:
    """The grids of photos that are read ahead."""
    for batch, squares, errors in read_photos(batches, vqa.square):
        grid = vqa.encode_squares(np.stack(list(squares.values()))) if squares else None
        yield batch, list(squares), grid, errors


def stored_grids(features: "FeatureStore", batches: Iterable[Batch], name_of: Callable[[str], str]) -> Grids:
    """The grids that a feature store has."""
    for batch in batches:
        rows = dict(zip(batch.photos, features.lookup(map(name_of, batch.photos)).tolist(), strict=True))
        stored = [image for image, row in rows.items() if row >= 0]
        grid = features.read(np.array([rows[image] for image in stored], np.int64))
        message = f"is not in the feature store {features.folder}"
        yield batch, stored, grid, {image: f"{image} {message}" for image, row in rows.items() if row < 0}


def unreadable(batch: Batch, errors: dict[str, str]) -> list[Result]:
    """The questions about photos that cannot be read, each photo with its error."""
    return [Skipped(index, "photo", error) for image, error in errors.items() for index, _ in batch.photos[image]]


def refused(index: int, example: Example, error: object) -> Skipped:
    return Skipped(index, "question", f"question {question_name(index, example)}: {error}")


def answer(
    vqa: VQA, grid: Any, asked: list[Asked], other: np.ndarray | None, keep_logits: bool, top: int
) -> list[Answered]:
    """Ask about grids `(P, N, D)`; other: `(P,)`, the photo that each is swapped with."""
    if not asked:
        return []
    questions, rows = [example.question for _, example, _ in asked], np.array([row for *_, row in asked])
    output = vqa.logits(grid, questions, rows, image_only=True)
    swapped: list[str | None] = [None] * len(asked)
    if other is not None:
        swapped = [vqa.answers[a] for a in vqa.logits(grid, questions, other[rows]).logits.argmax(-1).tolist()]
    scores = vqa.calibrated(output.logits)
    best = best_of(scores, top)
    confidences = np.take_along_axis(scores, best, -1).tolist()
    blind, image_only = (logits.argmax(-1).tolist() for logits in (output.blind, output.image_only))
    mattered = divergence(scores, softmax(output.blind / vqa.config.blind_temperature)).tolist()
    attention = output.attention.reshape(len(asked), -1, *vqa.grid_size)
    glimpses, mean = to_bytes(attention), to_bytes(attention.mean(1))
    return [
        Answered(
            index=index,
            example=example,
            prediction=vqa.answers[ranked[0]],
            confidence=confidences[i][0],
            top=tuple((vqa.answers[a], p) for a, p in zip(ranked, confidences[i], strict=True)),
            blind=vqa.answers[blind[i]],
            image_only=vqa.answers[image_only[i]],
            swapped=swapped[i],
            sure=is_sure(vqa.config, vqa.answers[ranked[0]], confidences[i][0]),
            photo_mattered=mattered[i],
            attention=mean[i],
            glimpses=glimpses[i] if attention.shape[1] > 1 else None,
            logits=(output.logits[i], output.blind[i]) if keep_logits else None,
        )
        for i, ((index, example, _), ranked) in enumerate(zip(asked, best.tolist(), strict=True))
    ]


def to_bytes(attention: np.ndarray) -> np.ndarray:
    """Maps `(…, h, w)` as bytes, each with its peak at 255."""
    peak = attention.max((-2, -1), keepdims=True)
    return (255 * attention / np.where(peak > 0, peak, 1)).round().astype(np.uint8)


def foreign_answers(
    vqa: VQALike, batches: Iterable[Batch], swap_seed: int | None, best: int
) -> Iterator[tuple[int, list[Result]]]:
    """As `answers`, for another kind of model (see `vqa.foreign`), which encodes photo after photo, each once."""
    for batch in batches:
        errors = {image: reason for image in batch.photos if (reason := refusal(open_photo, image))}
        readable = [image for image in batch.photos if image not in errors]
        results = unreadable(batch, errors)
        other = None if swap_seed is None else derangement(len(readable), (swap_seed, batch.number))
        given: dict[int, Answer | Refused] = {}
        swapped: dict[int, str] = {}
        asked: dict[str, list[tuple[int, Example]]] = {}
        for image in readable:
            reasons = {index: refusal(vqa.check, example.question) for index, example in batch.photos[image]}
            results += [refused(index, e, reasons[index]) for index, e in batch.photos[image] if reasons[index]]
            asked[image] = [pair for pair in batch.photos[image] if not reasons[pair[0]]]
        for row, image in enumerate(readable):
            given |= answers_about(vqa, image, asked[image], best)
            if other is not None:
                visitors = asked[readable[int(np.flatnonzero(other == row)[0])]]
                about = answers_about(vqa, image, visitors, 1)
                swapped |= {index: answer.text for index, answer in about.items() if isinstance(answer, Answer)}
        for index, example in itertools.chain.from_iterable(asked.values()):
            answer = given[index]
            if isinstance(answer, Refused):
                results.append(refused(index, example, answer))
                continue
            further: dict[str, Any] = {"swapped": swapped.get(index), "sure": answer.sure}
            if answer.attention.size > 1:
                further["attention"] = to_bytes(answer.attention.mean(0))
                further["glimpses"] = to_bytes(answer.attention) if len(answer.attention) > 1 else None
            if answer.blind is not None:
                further |= {"blind": answer.blind.answer, "photo_mattered": answer.photo_mattered}
            top = tuple((s.answer, s.score) for s in answer.top)
            confidence = None if math.isnan(answer.confidence) else answer.confidence
            results.append(Answered(index, example, answer.text, confidence, top if confidence else (), **further))
        yield batch.number, results


def answers_about(vqa: VQALike, photo: str, asked: list[tuple[int, Example]], best: int) -> dict[int, Answer | Refused]:
    """The answers about a photo by the questions' places; each alone if some question is refused."""
    try:
        answers = vqa.ask_many(photo, [example.question for _, example in asked], best)
        return {index: answer for (index, _), answer in zip(asked, answers, strict=True)}
    except Refused as error:
        if len(asked) == 1:
            return {asked[0][0]: error}
        return {index: answer for one in asked for index, answer in answers_about(vqa, photo, [one], best).items()}


def derangement(count: int, seed: tuple[int, ...]) -> np.ndarray | None:
    """A random cyclic permutation, so that no photo stays in its place; None for fewer than two photos."""
    if count < 2:
        return None
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, -1)
    return other


def answer_all(
    options: Options, vqa: VQALike | None, journal: Journal, advance: Callable[[int], None] = lambda n: None
) -> None:
    """Answer what `journal` does not hold yet, by the model or, if that is None, by the file `options.predictions`.

    advance: called with the number of questions of each batch. Raises `InputError` as reading does, and if a process is
    ended from outside.
    """
    left = (batch for batch in batches(examples_of(options), options.batch_size) if batch.number not in journal.done)
    if vqa is None:
        answered = submitted_records(options, left)
    else:
        answered = in_processes(options, left) if options.processes > 1 else records_of(options, vqa, left)
    for number, records in answered:
        journal.append(number, records)
        advance(len(records))


def records_of(options: Options, vqa: VQALike, batches: Iterable[Batch]) -> Iterator[tuple[int, list[Record]]]:
    """The number of each batch and the records of its questions."""
    judge = Judge(vqa.answers, vqa.extra("priors.json", Priors), options.metric == "wups")
    grids: dict[str, Any] = {}
    if options.features:
        from vqa.data.features import FeatureStore, stored_name  # needs PyTorch

        folders = [] if options.images is None else [options.images]
        grids["features"] = FeatureStore.open(options.features, ours(vqa).made_by())
        grids["name_of"] = partial(stored_name, folders=folders)
    swap_seed = options.seed if options.swap_photos else None
    for number, results in answers(vqa, batches, swap_seed=swap_seed, **grids):
        answered = [judge.record(result) for result in results if isinstance(result, Answered)]
        skipped = [result for result in results if isinstance(result, Skipped)]
        yield number, answered + [{"index": s.index, "skipped": s.reason, "message": s.message} for s in skipped]


def in_processes(options: Options, batches: Iterable[Batch]) -> Iterator[tuple[int, list[Record]]]:
    """As `records_of`, by several processes, each with a model of its own."""
    context = multiprocessing.get_context("spawn")  # not forked: torch's threads would be left in an unknown state
    with ProcessPoolExecutor(options.processes, context, initialize, (options.processes,)) as pool:
        waiting = map_ahead(lambda batch: pool.submit(answer_one, options, batch), batches, 1, 2 * options.processes)
        try:
            yield from (future.result() for future in waiting)
        except BrokenProcessPool:
            raise InputError("A process was ended from outside; run the command again to continue.") from None
        finally:
            pool.shutdown(cancel_futures=True)


def initialize(processes: int) -> None:
    """Prepare a process: before its runtime is imported, which reads the variable once. The parent handles Ctrl-C."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reuse_memory()


def answer_one(options: Options, batch: Batch) -> tuple[int, list[Record]]:
    return next(records_of(options, load_once(options), [batch]))


def load_model(options: Options) -> VQALike:
    """The model that the options name."""
    if options.api is not None:
        from vqa.foreign.served import ServedVQA

        return ServedVQA(options.api, options.api_model or "")
    return VQA.load(options.model, options.device, options.dtype, options.runtime, options.trust_remote_code)


load_once = cache(load_model)  # by each process
