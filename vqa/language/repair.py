"""Correcting the typos of a question, by the sequence-to-sequence model that reads and writes characters."""

import difflib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqa.checkpoint.auxiliary import find_bundle, load_bundle
from vqa.data.parallel import batched
from vqa.language.characters import END, PADDING, START, UNKNOWN, Characters, check_text
from vqa.language.repair_model import RepairModel, write
from vqa.model.errors import InputError

KIND = "glimpse-repair"
LONGEST = 150  # characters of a question; those of the training data are shorter
LONGER = 12  # characters that a repair may add
BEAM = 4

Unknown = Callable[[str], Collection[str]]
"""Returns the unknown words of a text, as those of `VQAProcessor.words`."""


@dataclass(frozen=True)
class Repair:
    """typed: the question in lower case; text: what was probably meant; probability: of this whole text.

    alignment: `(len(text), len(typed))`, the attention of each written character over the read ones; rows sum to 1.
    """

    typed: str
    text: str
    probability: float
    alignment: np.ndarray

    @property
    def changed(self) -> bool:
        return self.text != self.typed

    def to_dict(self) -> dict[str, Any]:
        """What `vqa repair --json` prints."""
        row = {"typed": self.typed, "text": self.text, "changed": self.changed, "probability": self.probability}
        return row | {"alignment": self.alignment.astype(float).tolist()}


class Repairer:
    """`Repairer.load().repair("whta colr is teh cat").text`."""

    def __init__(self, net: RepairModel, characters: Characters):
        self.net, self.characters = net.eval(), characters

    @classmethod
    def load(cls, folder: str | Path | None = None) -> "Repairer":
        """The bundled model, or a folder that `train.repair` wrote. Raises `InputError` if it cannot be read."""
        net, config = load_bundle(find_bundle("repair", folder), KIND, build)
        return cls(net, Characters(config["characters"]))

    def repair(self, text: str) -> Repair:
        """The most probable meant text, often the typed one.

        Raises `InputError` for a text that is empty, too long, or mostly of unknown characters.
        """
        typed = self.check(text)
        return self.explain(typed, next(self.candidates([typed]))[0])

    def suggest(self, text: str, unknown: Unknown) -> Repair | None:
        """'Did you mean …?': the text with fewer `unknown` words; None if all are known, or no probable repair has
        fewer. Only unknown words are changed. Raises as `repair` does.
        """
        typed = self.check(text)
        if not unknown(typed):
            return None
        texts = [keep_known(typed, text, unknown) for text in next(self.candidates([typed]))]
        best = fewest_unknown(typed, texts, unknown)
        return None if best is None else self.explain(typed, best)

    def candidates(self, typed: Sequence[str], beam: int = BEAM, batch: int = 64) -> Iterator[list[str]]:
        """The most probable repairs of each of many texts, the best first; the texts as `check` returns them.

        Words with digits or unknown characters are not changed, as their correction is ambiguous.
        """
        for texts in batched(typed, batch):
            ids, lengths = self.characters.encode_batch(texts)
            decoded = write(self.net, ids, lengths, beam, int(lengths.max()) + LONGER, self._banned(ids))
            for row, text in enumerate(texts):
                places = decoded.attention[row].masked_fill(ids[row] != UNKNOWN, -1).argmax(-1)
                pairs = zip(decoded.ids[row].tolist(), places.tolist(), strict=True)
                yield [keep(text, self._text(*pair, text), self._odd, strict=True) for pair in pairs]

    @torch.inference_mode()
    def explain(self, typed: str, text: str) -> Repair:
        """The probability of this text as the repair of `typed`, and its alignment."""
        ids, lengths = self.characters.encode_batch([typed])
        written = torch.tensor([[START, *self.characters.encode(text), END]])
        logits, attention, _ = self.net.decode(written[:, :-1], self.net.encode(ids, lengths))
        scores = logits.masked_fill(self._banned(ids)[:, None], float("-inf")).log_softmax(-1)
        total = scores[0].gather(1, written[0, 1:, None]).sum()
        return Repair(typed, text, float(total.exp()), attention[0, :-1].numpy())

    def check(self, text: str) -> str:
        """The text as the model reads it: lower case, single spaces, composed accents. Raises as `repair` does."""
        if not isinstance(text, str):
            raise InputError(f"A question is text, not {type(text).__name__}; give plain words.")
        typed = " ".join(unicodedata.normalize("NFC", text).lower().split())
        if not typed:
            raise InputError("The question is empty; give some words to correct.")
        check_text(typed, LONGEST)
        if 2 * self.characters.encode(typed).count(UNKNOWN) > len(typed):
            raise InputError("The question is in letters that this model never learned; type it in English.")
        return typed

    def _banned(self, ids: Tensor) -> Tensor:
        """What must not be written, `(B, size)`: an unknown character only if there is one to copy."""
        banned = torch.zeros(len(ids), self.characters.size, dtype=torch.bool)
        banned[:, [PADDING, START]] = True
        banned[:, UNKNOWN] = ~(ids == UNKNOWN).any(1)
        return banned

    def _odd(self, word: str) -> bool:
        return any(map(str.isdigit, word)) or UNKNOWN in self.characters.encode(word)

    def _text(self, numbers: list[int], places: list[int], typed: str) -> str:
        """The written text; an unknown character is copied from its place in `typed` (Luong et al. 2015b)."""
        pairs = zip(numbers, places, strict=True)
        return "".join(typed[place] if i == UNKNOWN else self.characters.decode([i]) for i, place in pairs)


def fewest_unknown(typed: str, texts: Sequence[str], unknown: Unknown) -> str | None:
    """The first text with the fewest unknown words; None if none has fewer than the typed one."""
    best = min(texts, key=lambda text: len(unknown(text)), default=typed)
    return best if len(unknown(best)) < len(unknown(typed)) else None


def keep_known(typed: str, text: str, unknown: Unknown) -> str:
    """The repair `text`, but with every known word as it was typed, where its place in the text is unambiguous."""
    return keep(typed, text, lambda word: not unknown(word))


def keep(typed: str, text: str, stays: Callable[[str], bool], strict: bool = False) -> str:
    """The repair `text`, but with every word that `stays` as it was typed.

    Its place is ambiguous where words beside it were joined or divided; strict: there, the typed words all stay.
    """
    before, after = typed.split(), text.split()
    words: list[str] = []
    for _, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = before[i:j], after[k:m]
        if len(old) == len(new):
            words += [a if stays(a) else b for a, b in zip(old, new, strict=True)]
        else:
            words += old if (any if strict else all)(map(stays, old)) else new
    return " ".join(words)


def build(config: dict[str, Any]) -> RepairModel:
    """The network of a configuration."""
    return RepairModel(Characters(config["characters"]).size, config["hidden"], config["embedding"])
