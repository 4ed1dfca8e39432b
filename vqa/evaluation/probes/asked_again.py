"""What the probes share: their interface, and a sample of questions asked photo by photo."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from vqa.data.examples import Example
from vqa.data.metric import normalize_answer
from vqa.data.parallel import batched
from vqa.evaluation.answers.questions import batches, read_photos, refusal
from vqa.model.errors import InputError
from vqa.predict import VQALike, ours
from vqa.runtimes import array


class Diagnostic(Protocol):
    """A further measurement of `vqa evaluate`."""

    def run(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the name of an entry of `results.json`, such as "grounding/deletion", and its figures in percent.

        Yields nothing where the data does not allow the measurement.
        """


class PhotoBatch(NamedTuple):
    """Some photos as `prepare` returned them, and the B examples about them; rows: `(B,)`, the photo of each."""

    photos: list[Any]
    examples: list[Example]
    rows: np.ndarray


class Given(NamedTuple):
    """B answers, the probability of each or of another one `(B,)`, and its attention `(h, w)`."""

    answers: list[str]
    beliefs: np.ndarray
    attention: list[np.ndarray]


@dataclass(frozen=True)
class AskedAgain:
    """Questions on which a model is measured again and again, `batch_size` photos at a time.

    seed: of everything random; advance: called with the number of questions that are done.
    """

    vqa: VQALike
    examples: Sequence[Example]
    seed: int = 0
    advance: Callable[[int], None] = lambda questions: None
    batch_size: int = 16

    def read(self, prepare: Callable[[Image.Image], Any] = lambda square: square) -> Iterator[PhotoBatch]:
        """Each photo is read once, ahead of its turn, by threads; what cannot be read is left out.

        prepare: what to make, in the threads, of a photo's square as the model sees it, an RGB picture `(S, S)`; of a
        foreign model the photo as it is drawn.
        Raises `InputError` at the end if no example can be read.
        """
        count = 0
        readable = (example for example in self.examples if refusal(self.vqa.check, example.question) is None)
        photo_batches = batches(readable, self.batch_size)
        for batch, photos, _ in read_photos(photo_batches, lambda i: prepare(Image.fromarray(self.vqa.square(i)))):
            examples = [example for image in photos for _, example in batch.photos[image]]
            if examples:
                rows = [row for row, image in enumerate(photos) for _ in batch.photos[image]]
                yield PhotoBatch(list(photos.values()), examples, np.array(rows))
                self.advance(len(examples))
                count += len(examples)
        if not count:
            raise InputError("No question could be asked; check that the photos are where the data says.")

    def encode(self, squares: Sequence[Image.Image]) -> Any:
        """P squares to grids `(P, N, D)`; for a foreign model themselves: it reads each photo when it is asked."""
        if self.vqa.kind:
            return squares
        chunks = (np.stack([np.asarray(square) for square in chunk]) for chunk in batched(squares, self.batch_size))
        return np.concatenate([array(ours(self.vqa).encode_squares(chunk)) for chunk in chunks])

    def ask(self, photos: Any, questions: Sequence[str], rows: np.ndarray, of: Sequence[str] | None = None) -> Given:
        """B questions about P photos as `encode` returns them; rows: `(B,)`, the photo of each.

        of: an answer for each question, whose probability is returned; by default the best one.
        """
        if self.vqa.kind:
            return self._ask_foreign(photos, questions, rows, of)
        vqa = ours(self.vqa)
        output = vqa.logits(photos, questions, rows)
        scores = vqa.calibrated(output.logits)
        best = scores.argmax(-1)
        chosen = best if of is None else np.array([vqa.answers.index(answer) for answer in of])
        beliefs = np.take_along_axis(scores, chosen[:, None], 1)[:, 0]
        attention = output.attention.mean(1).reshape(-1, *vqa.grid_size)
        return Given([vqa.answers[i] for i in best.tolist()], beliefs, list(attention))

    def _ask_foreign(
        self, photos: Sequence[Image.Image], questions: Sequence[str], rows: np.ndarray, of: Sequence[str] | None
    ) -> Given:
        vqa: Any = self.vqa
        given: dict[int, tuple[str, float, np.ndarray]] = {}
        for row in np.unique(rows):
            look, asked = vqa.look(photos[row]), np.flatnonzero(rows == row).tolist()
            for i, answer in zip(asked, vqa.ask_many(look, [questions[i] for i in asked], 1, blind=False), strict=True):
                belief = answer.confidence
                if of is not None and of[i] != answer.text:
                    belief = vqa.scores(look, questions[i], [of[i]])[0] if of[i] else 0.0
                given[i] = answer.text, belief, answer.attention[0]
        answers, beliefs, attention = zip(*(given[i] for i in range(len(questions))), strict=True)
        return Given(list(answers), np.array(beliefs), list(attention))


def exact_match(answers: Sequence[str | None], truth: Sequence[str | None]) -> np.ndarray:
    """`(n,)`: 1 where the normalised answer is the reference, else 0; NaN without an answer."""
    pairs = zip(answers, truth, strict=True)
    return np.array([np.nan if a is None else float(normalize_answer(a) == t) for a, t in pairs])


def generator_for(seed: int, example: Example) -> np.random.Generator:
    """Random numbers that depend on the seed and the question alone: in any order, batch or folder the same."""
    key = repr((seed, Path(example.image).name, example.question_id, example.question))
    digest = hashlib.blake2b(key.encode("utf-8", "backslashreplace"), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))
