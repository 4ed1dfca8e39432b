"""Completing a question as it is typed, by the character language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vqa.checkpoint.auxiliary import find_bundle, load_bundle
from vqa.inside.cells import Reading, read
from vqa.language.character_model import CharacterModel, selected
from vqa.language.characters import END, PADDING, SPECIAL, Characters
from vqa.model.errors import InputError
from vqa.model.recurrent import State

KIND = "glimpse-characters"
LONGEST = 300  # characters of a prefix
BEAM, MOST = 6, 48  # beams, and characters that a completion may add


class Completion(NamedTuple):
    """A whole text that begins with what was typed, and the probability of how it goes on."""

    text: str
    probability: float


class Completer:
    """`Completer.load().complete("what colo")`.

    A model of lines (questions) ends each with END, which is also what stands before the first character; one of plain
    text knows no ends.
    """

    def __init__(self, net: CharacterModel, characters: Characters, lines: bool):
        self.net, self.characters, self.lines = net.eval(), characters, lines

    @classmethod
    def load(cls, folder: str | Path | None = None) -> "Completer":
        """The bundled model, or a folder that `train.complete` wrote. Raises `InputError` if it cannot be read."""
        net, config = load_bundle(find_bundle("complete", folder), KIND, build)
        return cls(net, Characters.from_list(config["characters"]), config["lines"])

    @torch.inference_mode()
    def complete(self, prefix: str, top: int = 3, beam: int = BEAM, most: int = MOST) -> list[Completion]:
        """The likeliest ways to finish the line, found by beam search; the likeliest first.

        Raises `InputError` for a prefix that is too long or wholly unknown, or a model of plain text, whose lines have
        no end.
        """
        if not self.lines:
            raise InputError("This model has learned plain text, which has no ends to complete; use sample instead.")
        prefix = " ".join(prefix.lower().split()) + (" " if prefix[-1:].isspace() and prefix.strip() else "")
        scores, state = self._begin(prefix)
        width = max(beam, top)
        texts: list[list[int]] = [[]]
        total = torch.zeros(1)
        done: list[tuple[float, list[int]]] = []
        for _ in range(most):
            every = total[:, None] + scores  # (beams, size)
            best, places = every.flatten().topk(min(width, every.numel()))
            rows, ids = places // every.shape[1], places % every.shape[1]
            ends = ids == END
            done += [(float(s), texts[int(r)]) for s, r in zip(best[ends], rows[ends], strict=True)]
            going = ~ends & best.isfinite()
            worst = sorted((score for score, _ in done), reverse=True)[top - 1 : top]
            if not going.any() or (worst and float(best[going].max()) <= worst[0]):
                break
            rows, ids, total = rows[going], ids[going], best[going]
            texts = [[*texts[int(r)], int(i)] for r, i in zip(rows, ids, strict=True)]
            logits, state = self.net(ids[:, None], selected(state, rows))
            scores = self._scores(logits[:, -1])
        done.sort(key=lambda pair: -pair[0])
        return [Completion(prefix + self.characters.decode(ids), float(torch.tensor(s).exp())) for s, ids in done[:top]]

    def sample(self, prefix: str = "", temperature: float = 1.0, seed: int = 0, most: int = 200) -> str:
        """Write on, a character drawn at a time; temperature: below 1 more likely ones, 0 always the likeliest.

        Raises `InputError` for a negative temperature, or plain text that begins with nothing.
        """
        return self.samples(1, prefix, temperature, seed, most)[0]

    @torch.inference_mode()
    def samples(
        self, count: int, prefix: str = "", temperature: float = 1.0, seed: int = 0, most: int = 200
    ) -> list[str]:
        """As `sample`, several texts side by side."""
        if not 0 <= temperature < float("inf"):
            raise InputError(f"The temperature is {temperature}; give 0 or more.")
        generator = torch.Generator().manual_seed(seed)
        scores, state = self._begin(prefix)
        scores, state = scores.expand(count, -1), selected(state, torch.zeros(count, dtype=torch.long))
        written = torch.zeros(count, 0, dtype=torch.long)
        for _ in range(most):
            if temperature == 0:
                drawn = scores.argmax(-1, keepdim=True)
            else:
                drawn = torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator)
            written = torch.cat((written, drawn), 1)
            if (written == END).any(1).all():
                break
            logits, state = self.net(drawn, state)
            scores = self._scores(logits[:, -1])
        ended = (written == END).cumsum(1) > 0  # what is drawn after the end counts for nothing
        return [prefix + self.characters.decode(row) for row in written.masked_fill(ended, END)]

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The numbers of several texts' characters `(B, T)`, padded on the right, and their lengths `(B,)`.

        Raises `InputError` for a text that is empty, too long or no text.
        """
        for text in texts:
            if not text:
                raise InputError("The text is empty; give at least one character.")
            check(text)
        rows = [torch.tensor(self.characters.encode(text)) for text in texts]
        return pad_sequence(rows, batch_first=True, padding_value=PADDING), torch.tensor([len(row) for row in rows])

    def read(self, text: str) -> Reading:
        """What every layer's cells hold at each character. Raises `InputError` for an empty or too long text."""
        ids, _ = self.encode([text])
        with torch.inference_mode():
            return read(self.net.recurrent, self.net.embedding(ids)[0], list(text), self.opening())

    def opening(self, count: int = 1) -> State | None:
        """The state before the first character of `count` texts: a line begins after the end of another."""
        return self.net(torch.full((count, 1), END))[1] if self.lines else None

    def _begin(self, prefix: str) -> tuple[Tensor, State]:
        """Log-probabilities `(1, size)` of the first character after the prefix, and the state there."""
        check(prefix)
        if (signs := set("".join(prefix.split()))) and set(self.characters.unknown(prefix)) == signs:
            raise InputError(f"The model knows none of the characters in {prefix[:40]!r}; type in plain English.")
        ids = ([END] if self.lines else []) + self.characters.encode(prefix)
        if not ids:
            raise InputError("There is nothing to go on from; give at least one character.")
        logits, state = self.net(torch.tensor([ids]))
        return self._scores(logits[:, -1]), state

    def _scores(self, logits: Tensor) -> Tensor:
        """Log-probabilities of what can be written: real characters, and the end of a line."""
        banned = torch.ones(logits.shape[-1], dtype=torch.bool)
        banned[SPECIAL:] = False
        banned[END] = not self.lines
        return logits.float().masked_fill(banned, float("-inf")).log_softmax(-1)


def check(text: str) -> None:
    """Raises `InputError` for a text that is too long, or bytes that were no UTF-8."""
    if len(text) > LONGEST:
        raise InputError(f"The text has {len(text):,} characters; at most {LONGEST} can be read.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("The text has bytes that are no UTF-8; type it again.")


def build(config: dict[str, Any]) -> CharacterModel:
    """The network of a configuration."""
    size = Characters.from_list(config["characters"]).size
    return CharacterModel(size, config["cell"], config["layers"], config["hidden"], config["embedding"])
