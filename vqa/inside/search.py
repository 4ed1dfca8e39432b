"""Which unit follows a nameable feature of the text: every unit of h and c against every feature, at once.

How well unit u follows feature y, over the steps t of many texts:

- yes or no: AUC, the probability that u is higher at a step where y holds than at one where it does not (ties count
  half), from the ranks R of the unit's values (Mann & Whitney 1947), n of N steps holding:
  AUC = (Σ_(t: y_t) R_t - n (n + 1) / 2) / (n (N - n));
- a number: Pearson's correlation.

The best of a thousand units overfits, so it is chosen on one half of the texts and scored on the other.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqa.data.parallel import batched
from vqa.inside.cells import states
from vqa.inside.nameable import Features, nameable, pieces
from vqa.model.errors import InputError

if TYPE_CHECKING:
    from vqa.language.complete import Completer
    from vqa.predict import VQA

BATCH = 256
FEWEST = 10


class Unit(NamedTuple):
    """A unit of `name` (h or c) in a layer (from 0). follows: whether it is high where the feature is, or low.

    chosen, score: the AUC, or the size of the correlation, on the half of the texts that it was chosen on and on the
    other half; both in the direction of the first half.
    """

    layer: int
    name: str
    unit: int
    follows: bool
    chosen: float
    score: float


class Search:
    """texts: different ones. features: by name, a value a step.

    held: by text, whether it belongs to the half for scoring.
    """

    def __init__(
        self,
        texts: Sequence[str],
        split: Sequence[Sequence[str]],
        letters: bool,
        layers: Sequence[dict[str, Tensor]],
        seed: int = 0,
    ):
        """split: each text's words, or `pieces`; layers: h and c `(N, U)` by layer, at the texts' steps in a row."""
        if len(texts) < FEWEST:
            raise InputError(f"There are {len(texts)} different texts; a search needs {FEWEST} at least.")
        self.texts, self.features = list(texts), nameable(split, letters)
        steps = [sum(map(len, text)) if letters else len(text) for text in split]
        self.held = np.random.default_rng(seed).permutation(len(texts)) % 2 == 1
        self.starts = np.cumsum([0, *steps])
        held = torch.from_numpy(np.repeat(self.held, steps))
        self.places = [
            (k, name, unit)
            for k, layer in enumerate(layers)
            for name, values in layer.items()
            for unit in range(values.shape[1])
        ]
        halves = []
        for half in (~held, held):
            chosen = {name: values[half.numpy()] for name, values in self.features.items()}
            parts = [scores(values[half], chosen) for layer in layers for values in layer.values()]
            halves.append(torch.cat(parts).numpy())
        self._choosing, self._scoring = halves

    def best(self, feature: str, top: int = 5) -> list[Unit]:
        """The units that follow it best. Raises `InputError` for a feature that is unknown or constant."""
        if feature not in self.features:
            raise InputError(f"There is no feature {feature!r}; choose one of {', '.join(self.features)}.")
        column = list(self.features).index(feature)
        choosing, scoring = self._choosing[:, column], self._scoring[:, column]
        if np.isnan(choosing).any() or np.isnan(scoring).any():
            raise InputError(f"'{feature}' is the same at every step of these texts; search in more of them.")
        units = []
        for i in np.argsort(-abs(choosing), kind="stable")[:top]:
            sign = np.sign(choosing[i]) or 1.0
            chosen, score = (float(sign * half[i]) for half in (choosing, scoring))
            if self.yes_or_no(feature):
                chosen, score = (1 + chosen) / 2, (1 + score) / 2
            layer, name, unit = self.places[i]
            units.append(Unit(layer, name, unit, bool(sign > 0), chosen, score))
        return units

    def yes_or_no(self, feature: str) -> bool:
        """Whether the feature's score is an AUC, else it is a correlation."""
        return self.features[feature].dtype == bool

    def examples(self, feature: str, count: int = 4) -> list[tuple[str, np.ndarray]]:
        """Texts of the half for scoring in which the feature varies, and its values there."""
        held = np.flatnonzero(self.held)
        values = {i: self.features[feature][self.starts[i] : self.starts[i + 1]] for i in held}
        return [(self.texts[i], values[i]) for i in held if np.ptp(values[i].astype(float))][:count]


@torch.inference_mode()
def search_questions(vqa: "VQA", questions: Sequence[str], seed: int = 0) -> Search:
    """In the question encoder, whose steps are words. Raises `InputError` for a question that cannot be read."""
    texts = list(dict.fromkeys(questions))
    encoder, encoded = vqa.model.question_encoder, map(vqa.encode, batched(texts, BATCH))
    parts = [states(encoder.recurrent, encoder.embedding(ids), mask.sum(1)) for ids, mask in encoded]
    return Search(texts, [vqa.words(text)[0] for text in texts], False, joined(parts), seed)


@torch.inference_mode()
def search_letters(model: "Completer", texts: Sequence[str], seed: int = 0) -> Search:
    """In the character model. Raises `InputError` for an empty text, or one that is too long."""
    texts = list(dict.fromkeys(text.lower() for text in texts))
    net, encoded = model.net, map(model.encode, batched(texts, BATCH))
    parts = [states(net.recurrent, net.embedding(ids), lengths, model.opening(len(ids))) for ids, lengths in encoded]
    return Search(texts, [pieces(text) for text in texts], True, joined(parts), seed)


def joined(parts: Sequence[Sequence[dict[str, Tensor]]]) -> list[dict[str, Tensor]]:
    """Batches of layers to layers of all texts."""
    return [{name: torch.cat([layer[name] for layer in same]) for name in same[0]} for same in zip(*parts, strict=True)]


def scores(values: Tensor, features: Features) -> Tensor:
    """How every unit follows every feature: `(U, F)`, from -1 (the opposite) over 0 (not at all) to 1.

    values: `(N, U)`. For yes or no it is 2 AUC - 1, for a number the correlation. NaN for a constant feature; 0 for a
    constant unit.
    """
    y = torch.stack([torch.from_numpy(feature.astype(np.float64)) for feature in features.values()], 1)
    yes_or_no = torch.tensor([feature.dtype == bool for feature in features.values()])
    n = y.sum(0)
    auc = (ranks(values).T @ y - n * (n + 1) / 2) / (n * (len(y) - n))
    u, v = (x - x.mean(0) for x in (values.double(), y))
    spread = u.norm(dim=0)
    r = (u.T @ v) / spread.clamp_min(1e-12).unsqueeze(1) / v.norm(dim=0)
    return torch.where(yes_or_no, 2 * auc - 1, r)


def ranks(values: Tensor) -> Tensor:
    """The rank of each value in its column, from 1; ties have their mean rank. `(N, U)`, float64."""
    ordered, order = values.sort(0)
    count = len(values)
    place = torch.arange(1, count + 1, dtype=torch.float64, device=values.device).unsqueeze(1).expand_as(values)
    new = torch.ones_like(values, dtype=torch.bool)
    new[1:] = ordered[1:] != ordered[:-1]
    end = torch.cat((new[1:], new[:1]))  # the last of its equals
    first = place.masked_fill(~new, 0).cummax(0).values
    last = place.masked_fill(~end, count).flip(0).cummin(0).values.flip(0)
    return torch.empty_like(first).scatter_(0, order, (first + last) / 2)
