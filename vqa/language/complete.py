"""Completing a question as it is typed, by the character language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqa.checkpoint.auxiliary import broken_settings, find_bundle, load_bundle
from vqa.inside.cells import Reading, read
from vqa.language.character_model import CharacterModel, selected
from vqa.language.characters import END, PADDING, SPECIAL, Characters, check_text
from vqa.language.decoding import sample
from vqa.model.errors import InputError
from vqa.model.recurrent import State
from vqa.runtimes.half import pack

KIND = "glimpse-characters"
LONGEST = 300  # characters of a prefix
BEAM, MOST = 6, 48  # beams, and characters that a completion may add
WIDEST = 100  # completions


class Completion(NamedTuple):
    """A whole text that begins with the typed prefix, and the probability of the rest."""

    text: str
    probability: float


class Completer:
    """`Completer.load().complete("what colo")`.

    A model of lines (questions) ends each with END, which also precedes the first character; a model of plain text has
    no ends.
    """

    def __init__(self, net: CharacterModel, characters: Characters, lines: bool):
        self.net, self.characters, self.lines = net.eval(), characters, lines
        pack(self.net)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> "Completer":
        """The bundled model, or a folder that `train.complete` wrote. Raises `InputError` if it cannot be read."""
        place = find_bundle("complete", folder)
        net, config = load_bundle(place, KIND, build)
        with broken_settings(place):
            return cls(net, Characters(config["characters"]), bool(config["lines"]))

    @torch.inference_mode()
    def complete(self, prefix: str, top: int = 3, beam: int = BEAM, most: int = MOST) -> list[Completion]:
        """The most probable ways to finish the line, the best first.

        A beam search of its own: finished lines leave the beam, and it stops as soon as no other can be better, since
        it runs at every key. Raises `InputError` for a prefix that is too long or wholly unknown, or a model of plain
        text, whose lines have no end.
        """
        if not self.lines:
            raise InputError("This model has learned plain text, which has no ends to complete; use sample instead.")
        if not 1 <= top <= WIDEST:
            raise InputError(f"The number of completions is {top}; give 1 to {WIDEST}.")
        prefix = " ".join(prefix.lower().split()) + (" " if prefix[-1:].isspace() and prefix.strip() else "")
        ids, state = self._begin(prefix)
        texts: list[list[int]] = [[]]
        total = torch.zeros(1)
        done: list[tuple[float, list[int]]] = []
        for _ in range(most):
            logits, state = self.net(ids[:, None], state)
            every = total[:, None] + self._scores(logits[:, -1])  # (beams, size)
            best, places = every.flatten().topk(min(max(beam, top), every.numel()))
            rows, ids = places // every.shape[1], places % every.shape[1]
            ends = ids == END
            done += [(float(s), texts[int(r)]) for s, r in zip(best[ends], rows[ends], strict=True)]
            going = ~ends & best.isfinite()
            worst = sorted((score for score, _ in done), reverse=True)[top - 1 : top]
            if not going.any() or (worst and float(best[going].max()) <= worst[0]):
                break
            rows, ids, total = rows[going], ids[going], best[going]
            texts = [[*texts[int(r)], int(i)] for r, i in zip(rows, ids, strict=True)]
            state = selected(state, rows)
        done.sort(key=lambda pair: -pair[0])
        return [Completion(prefix + self.characters.decode(ids), float(torch.tensor(s).exp())) for s, ids in done[:top]]

    def sample(self, prefix: str = "", temperature: float = 1.0, seed: int = 0, most: int = 200) -> str:
        """Continue the prefix, a character drawn at a time; temperature: below 1 more probable ones, 0 always the best.

        Raises `InputError` for a negative temperature, or plain text without a prefix.
        """
        return self.samples(1, prefix, temperature, seed, most)[0]

    @torch.inference_mode()
    def samples(
        self, count: int, prefix: str = "", temperature: float = 1.0, seed: int = 0, most: int = 200
    ) -> list[str]:
        """As `sample`, several texts in a batch."""
        if not 0 <= temperature < float("inf"):
            raise InputError(f"The temperature is {temperature}; give 0 or more.")
        start, state = self._begin(prefix, count)

        def step(last: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal state
            logits, state = self.net(last, state)
            return self._scores(logits), logits.new_zeros(*last.shape, 0)

        drawn = sample(step, start, most, END, PADDING, temperature, seed=seed).ids[:, 0]
        return [prefix + self.characters.decode(row) for row in drawn]

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """As `Characters.encode_batch`. Raises `InputError` for a text that is empty, too long or not UTF-8."""
        for text in texts:
            if not text:
                raise InputError("The text is empty; give at least one character.")
            check_text(text, LONGEST)
        return self.characters.encode_batch(texts)

    def read(self, text: str) -> Reading:
        """What every layer's cells hold at each character. Raises `InputError` for an empty or too long text."""
        ids, _ = self.encode([text])
        with torch.inference_mode():
            return read(self.net.recurrent, self.net.embedding(ids)[0], list(text), self.opening())

    def opening(self, count: int = 1) -> State | None:
        """The state before the first character of `count` texts: a line begins after the end of another."""
        return self.net(torch.full((count, 1), END))[1] if self.lines else None

    @torch.inference_mode()
    def _begin(self, prefix: str, count: int = 1) -> tuple[Tensor, State | None]:
        """The last character before the continuation, for each of `count` texts `(B,)`, and the state before it."""
        check_text(prefix, LONGEST)
        if (signs := set("".join(prefix.split()))) and set(self.characters.unknown(prefix)) == signs:
            raise InputError(f"The model knows none of the characters in {prefix[:40]!r}; type in plain English.")
        ids = torch.tensor(([END] if self.lines else []) + self.characters.encode(prefix)).expand(count, -1)
        if not ids.numel():
            raise InputError("There is nothing to continue; give at least one character.")
        return ids[:, -1], self.net(ids[:, :-1])[1] if ids.shape[1] > 1 else None

    def _scores(self, logits: Tensor) -> Tensor:
        """Log-probabilities of what can be written: real characters, and the end of a line."""
        banned = torch.ones(logits.shape[-1], dtype=torch.bool)
        banned[SPECIAL:] = False
        banned[END] = not self.lines
        return logits.float().masked_fill(banned, float("-inf")).log_softmax(-1)


def build(config: dict[str, Any]) -> CharacterModel:
    """The network of a configuration."""
    size = Characters(config["characters"]).size
    return CharacterModel(size, config["cell"], config["layers"], config["hidden"], config["embedding"])
