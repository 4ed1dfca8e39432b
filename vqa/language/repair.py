"""Mending a mistyped question, by the sequence-to-sequence model that reads and writes characters."""

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
from vqa.language.characters import END, PADDING, START, UNKNOWN, Characters
from vqa.language.repair_model import RepairModel, write
from vqa.model.errors import InputError

KIND = "glimpse-repair"
LONGEST = 150  # characters of a question; all that it learned from are shorter
LONGER = 12  # characters that a repair may add
BEAM = 4

Unknown = Callable[[str], Collection[str]]
"""The words of a text that somebody does not know, as `VQAProcessor.words` tells them."""


@dataclass(frozen=True)
class Repair:
    """typed: what was read, in small letters; text: what was probably meant; probability: of this whole text.

    alignment: `(len(text), len(typed))`, how much each character that was written looked at each that was read; its
    rows sum to 1.
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
        told = {"typed": self.typed, "text": self.text, "changed": self.changed, "probability": self.probability}
        return {**told, "alignment": self.alignment.astype(float).tolist()}


class Repairer:
    """`Repairer.load().repair("whta colr is teh cat").text`."""

    def __init__(self, net: RepairModel, characters: Characters):
        self.net, self.characters = net.eval(), characters

    @classmethod
    def load(cls, folder: str | Path | None = None) -> "Repairer":
        """The bundled model, or a folder that `train.repair` wrote. Raises `InputError` if it cannot be read."""
        net, config = load_bundle(find_bundle("repair", folder), KIND, build)
        return cls(net, Characters.from_list(config["characters"]))

    def repair(self, text: str) -> Repair:
        """The likeliest text that was meant, perhaps the very one that was typed.

        Raises `InputError` for a text that is empty, too long, or mostly of characters that the model never learned.
        """
        typed = self.check(text)
        return self.explain(typed, next(self.candidates([typed]))[0])

    def suggest(self, text: str, unknown: Unknown) -> Repair | None:
        """'Did you mean …?': a text without the words that are `unknown` in this one; None if all are known, or none
        of the likeliest repairs knows more of them. Only unknown words are changed. Raises as `repair` does.
        """
        typed = self.check(text)
        strange = unknown(typed)
        if not strange:
            return None
        texts = [keep_known(typed, text, unknown) for text in next(self.candidates([typed]))]
        best = fewest_unknown(typed, texts, unknown)
        return None if best is None else self.explain(typed, best)

    def candidates(self, typed: Sequence[str], beam: int = BEAM, batch: int = 64) -> Iterator[list[str]]:
        """The likeliest repairs of each of many texts, the best first; the texts as `check` returns them.

        Words with digits or unknown characters stay as they are: what they should be, nobody can tell.
        """
        for start in range(0, len(typed), batch):
            texts = typed[start : start + batch]
            ids, lengths = self._encode(texts)
            found = write(self.net, ids, lengths, beam, int(lengths.max()) + LONGER, self._banned(ids))
            for row, text in enumerate(texts):
                places = found.attention[row].masked_fill(ids[row] != UNKNOWN, -1).argmax(-1)
                pairs = zip(found.ids[row].tolist(), places.tolist(), strict=True)
                yield [keep(text, self._text(*pair, text), self._odd, strict=True) for pair in pairs]

    @torch.inference_mode()
    def explain(self, typed: str, text: str) -> Repair:
        """How the model reads `typed` while it writes this text, and how probable it finds that."""
        ids, lengths = self._encode([typed])
        written = torch.tensor([[START, *self.characters.encode(text), END]])
        logits, attention, _ = self.net.decode(written[:, :-1], self.net.encode(ids, lengths))
        scores = logits.masked_fill(self._banned(ids)[:, None], float("-inf")).log_softmax(-1)
        total = scores[0].gather(1, written[0, 1:, None]).sum()
        return Repair(typed, text, float(total.exp()), attention[0, :-1].numpy())

    def check(self, text: str) -> str:
        """The text in the form that the model reads: small letters, single spaces, an accent with its letter."""
        if not isinstance(text, str):
            raise InputError(f"A question is text, not {type(text).__name__}; give plain words.")
        typed = " ".join(unicodedata.normalize("NFC", text).lower().split())
        if not typed:
            raise InputError("The question is empty; give some words to mend.")
        if len(typed) > LONGEST:
            raise InputError(f"The question has {len(typed):,} characters; at most {LONGEST} can be mended.")
        if any("\ud800" <= character <= "\udfff" for character in typed):  # bytes that were no UTF-8
            raise InputError("The question cannot be read as text; type it again as UTF-8.")
        if 2 * self.characters.encode(typed).count(UNKNOWN) > len(typed):
            raise InputError("The question is in letters that this model never learned; type it in English.")
        return typed

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [torch.tensor(self.characters.encode(text)) for text in texts]
        lengths = torch.tensor([len(row) for row in rows])
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING), lengths

    def _banned(self, ids: Tensor) -> Tensor:
        """What must not be written, `(B, size)`: an unknown character only where there is one to copy."""
        banned = torch.zeros(len(ids), self.characters.size, dtype=torch.bool)
        banned[:, [PADDING, START]] = True
        banned[:, UNKNOWN] = ~(ids == UNKNOWN).any(1)
        return banned

    def _odd(self, word: str) -> bool:
        return any(map(str.isdigit, word)) or UNKNOWN in self.characters.encode(word)

    def _text(self, numbers: list[int], looked: list[int], typed: str) -> str:
        """What was written; an unknown character is the one that was looked at (Luong et al. 2015b)."""
        pairs = zip(numbers, looked, strict=True)
        return "".join(typed[place] if i == UNKNOWN else self.characters.decode([i]) for i, place in pairs)


def fewest_unknown(typed: str, texts: Sequence[str], unknown: Unknown) -> str | None:
    """The first of the texts that has fewest unknown words; None if none has fewer than what was typed."""
    best = min(texts, key=lambda text: len(unknown(text)), default=typed)
    return best if len(unknown(best)) < len(unknown(typed)) else None


def keep_known(typed: str, text: str, unknown: Unknown) -> str:
    """The repair `text`, but with every word that is known as it was typed, where its place in the text is plain."""
    return keep(typed, text, lambda word: not unknown(word))


def keep(typed: str, text: str, stays: Callable[[str], bool], strict: bool = False) -> str:
    """The repair `text`, but with every word that stays as it was typed.

    Where words were joined or divided beside it, its place is not plain; strict: there, what was typed stays whole.
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
    return RepairModel(Characters.from_list(config["characters"]).size, config["hidden"], config["embedding"])
