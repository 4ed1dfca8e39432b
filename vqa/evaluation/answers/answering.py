"""Has all questions of a data set answered: by one process or several, going on where an earlier run was stopped."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty
from typing import Any

from vqa.data.examples import Example
from vqa.data.readers import iter_examples
from vqa.evaluation.answers.journal import Part, Work
from vqa.evaluation.answers.predictions import PHOTOS, Result, Skipped, answers, batches
from vqa.evaluation.answers.priors import Priors
from vqa.evaluation.answers.scores import Judge, Record
from vqa.model.errors import InputError
from vqa.predict import VQA


@dataclass(frozen=True)
class Job:
    """What is asked of whom; settings as those of `vqa evaluate`."""

    data: str
    annotations: str | None = None
    images: str | None = None
    model: str | None = None
    features: str | None = None
    limit: int | None = None
    swap_photos: bool = False
    batch_size: int = PHOTOS
    semantic: bool = False
    device: str = "auto"
    runtime: str = "auto"
    seed: int = 0

    def examples(self) -> Iterator[Example]:
        """The questions, as a stream."""
        return islice(iter_examples(self.data, self.annotations, self.images), self.limit)

    def run(self, vqa: VQA) -> dict[str, Any]:
        """What makes two runs the same: the settings, the weights, the numbers' precision, the files' state."""
        files = [path for path in (self.data, self.annotations) if path is not None and os.path.isfile(path)]
        state = {str(path): [os.stat(path).st_size, os.stat(path).st_mtime_ns] for path in files}
        return asdict(self) | {"weights": vqa.weights_hash(), "precision": str(vqa.dtype), "files": state}


def answer_all(
    job: Job, vqa: VQA, work: Work, processes: int = 1, advance: Callable[[int], None] = lambda questions: None
) -> None:
    """Answer what `work` does not hold yet; advance: called with the number of questions of each batch.

    Raises `InputError` as reading does, and if a process ends before its work.
    """
    if processes == 1:
        answer_part(job, vqa, work.folder, work.done, 0, 1, advance)
        return
    context = multiprocessing.get_context("spawn")  # not forked: torch's threads would be left in an unknown state
    told: Any = context.Queue()
    arguments = [(job, work.folder, frozenset(work.done), part, processes, told) for part in range(processes)]
    started = [context.Process(target=_serve, args=a, daemon=True) for a in arguments]
    for process in started:
        process.start()
    try:
        running = processes
        while running:
            try:
                message = told.get(timeout=1)
            except Empty:
                if any(process.exitcode not in (None, 0) for process in started):
                    raise InputError("A process was ended from outside; run it again, it will go on.") from None
                continue
            if isinstance(message, str):
                raise InputError(message)
            if message is None:
                running -= 1
            else:
                advance(message)
    finally:
        for process in started:
            process.terminate()
            process.join()


def _serve(job: Job, folder: Path, done: frozenset[int], part: int, parts: int, told: Any) -> None:
    """A process of its own: loads the model, answers its share."""
    # before the runtime is imported, which reads it once
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // parts))
    try:
        answer_part(job, VQA.load(job.model, job.device, runtime=job.runtime), folder, done, part, parts, told.put)
        told.put(None)
    except InputError as error:
        told.put(str(error))
    except KeyboardInterrupt:  # the parent is told too
        pass


def answer_part(
    job: Job,
    vqa: VQA,
    folder: Path,
    done: set[int] | frozenset[int],
    part: int,
    parts: int,
    advance: Callable[[int], None],
) -> None:
    """Answer every batch that is not `done` and whose number falls to this part."""
    judge = Judge(vqa.answers, read_priors(vqa), job.semantic)
    grids: dict[str, Any] = {}
    if job.features:
        from vqa.data.features import FeatureStore, stored_name  # needs PyTorch

        grids["features"] = FeatureStore.open(job.features, vqa.made_by())
        grids["name_of"] = partial(stored_name, folders=[] if job.images is None else [job.images])
    mine = (
        batch for batch in batches(job.examples(), job.batch_size) if batch[0] % parts == part and batch[0] not in done
    )
    file = Part(folder, part)
    for number, results in answers(vqa, mine, swap_seed=job.seed if job.swap_photos else None, **grids):
        file.append(number, [line(judge, result) for result in results])
        advance(len(results))


def line(judge: Judge, result: Result) -> Record:
    """What is kept of a result."""
    if isinstance(result, Skipped):
        return {"index": result.index, "skipped": result.reason, "told": result.told}
    return judge.record(result)


def read_priors(vqa: VQA) -> Priors | None:
    """The priors that `train.fit` left in the checkpoint, if it did."""
    content = vqa.extra("priors.json")
    return None if content is None else Priors(**content)
