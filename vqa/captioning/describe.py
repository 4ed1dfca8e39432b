"""Describing a photo: a sentence, and for each word where the model looked."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqa.captioning.captioner import Captioner
from vqa.captioning.search import BEAM, beam_search, sample
from vqa.captioning.words import SPECIAL, Words
from vqa.checkpoint.auxiliary import broken_settings, find_bundle, load_bundle
from vqa.model.errors import InputError
from vqa.predict import VQA, ours
from vqa.runtimes.half import pack

KIND = "glimpse-captioner"
WIDEST = 20


class CaptionWord(NamedTuple):
    """A word, its probability after the words before it, and where the model looked: `(h, w)`, summing to 1."""

    word: str
    probability: float
    attention: np.ndarray


@dataclass(frozen=True)
class Caption:
    """text; its words; score, the log-probability of the whole, END included; seconds for photo and caption."""

    text: str
    words: list[CaptionWord]
    score: float
    seconds: dict[str, float]

    def attention(self) -> np.ndarray:
        """A map for each word: `(T, h, w)`."""
        return np.stack([word.attention for word in self.words])

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold it; a map is a list of rows."""
        words = [word._asdict() | {"attention": word.attention.astype(float).tolist()} for word in self.words]
        return {"text": self.text, "score": self.score, "words": words, "seconds": self.seconds}


class Describer:
    """`Describer.load().describe("photo.jpg").text`. The photo is encoded by `vqa`, whose cached grids are shared."""

    def __init__(self, net: Captioner, words: Words, vqa: VQA, most: int = 20):
        self.net, self.words, self.vqa, self.most = net.to(vqa.device).eval(), words, vqa, most  # type: ignore[arg-type]
        pack(self.net)

    @classmethod
    def load(cls, folder: str | Path | None = None, vqa: VQA | None = None) -> "Describer":
        """The bundled captioner, or a folder that `train.caption` wrote; `vqa`: the bundled model if None.

        Raises `InputError` if it cannot be read, or was trained on the grids of another image encoder than vqa's.
        """
        place = find_bundle("caption", folder)
        net, config = load_bundle(place, KIND, build)
        vqa = vqa or ours(VQA.load())
        if vqa.made_by() != config.get("encoder"):
            raise InputError(
                f"The captioner in {place} was trained with another image encoder than that of the model "
                f"'{vqa.name}'; load it with its own model, or train it again."
            )
        with broken_settings(place):
            return cls(net, Words(config["words"]), vqa, int(config["most"]))

    @property
    def side(self) -> int | None:
        """The least side in pixels that a photo needs."""
        return self.vqa.checkpoint.size

    def describe(
        self, photo: Any, beam: int = BEAM, temperature: float | None = None, top_p: float = 1.0, seed: int = 0
    ) -> Caption:
        """A caption by beam search, or, with a `temperature`, one sampled from the most probable words (`top_p`).

        Only the words of `AGAIN` are written more than once; probabilities are those among what may be written. photo:
        as for `VQA.look`. Raises `InputError` for a photo that cannot be read or a setting out of range.
        """
        if not 1 <= beam <= WIDEST:
            raise InputError(f"The beam is {beam}; give 1 to {WIDEST}.")
        look = self.vqa.look(photo)
        start = time.perf_counter()
        if temperature is None:
            decoded = beam_search(self.net, look.grid, beam, self.most, self.words.once)
        else:
            decoded = sample(self.net, look.grid, temperature, top_p, seed, self.most, self.words.once)
        seconds = {"photo": look.seconds, "caption": time.perf_counter() - start}
        ids, scores, attention = (part[0, 0].cpu().numpy() for part in decoded)
        side = math.isqrt(attention.shape[1])
        words = [
            CaptionWord(self.words.word(n), math.exp(score), place.reshape(side, -1))
            for n, score, place in zip(ids.tolist(), scores.tolist(), attention, strict=True)
            if n >= SPECIAL
        ]
        text = self.words.text(n for n in ids.tolist() if n >= SPECIAL)
        return Caption(text, words, float(decoded.total()[0, 0]), seconds)


def build(config: dict[str, Any]) -> Captioner:
    """The network of a configuration."""
    sizes = {name: config[name] for name in ("channels", "attention", "hidden")}
    return Captioner(Words(config["words"]).size, **sizes, temperature=config.get("temperature", 1.0))
