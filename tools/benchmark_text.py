"""Compare the text models with a plain packed `nn.LSTM` of the same size: a part of `python -m tools.benchmark`."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tools.timing import Figures, seconds_in_turn
from vqa.language.character_model import CharacterModel
from vqa.model.recurrent import Recurrent

QUESTIONS = 128  # at once, as in training
WORDS, LETTERS = 8000, 63  # of the vocabularies
CHUNK, BEAMS = 100, 6
ROUNDS, SECONDS = 7, 6.0  # at least


class Encoder(nn.Module):
    """Many to one, sized as the bundled question encoder; the core is ours or torch's, packed."""

    def __init__(self, ours: bool):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 300, padding_idx=0)
        self.core = Recurrent("lstm", 300, 512) if ours else nn.LSTM(300, 512, batch_first=True)

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States `(B, T, H)` and the last `(B, H)`."""
        x = self.embedding(ids)
        if isinstance(self.core, Recurrent):
            return self.core(x, lengths)[:2]
        packed, (h, _) = self.core(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return pad_packed_sequence(packed, batch_first=True)[0], h[-1]


class PlainCharacters(nn.Module):
    """Many to many, sized as the bundled character model, as in tutorials: a packed batch of questions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, 64)
        self.core = nn.LSTM(64, 256, 2, batch_first=True)
        self.score = nn.Linear(256, LETTERS)

    def loss(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The mean loss; ids `(B, T + 1)`, of which the first `lengths + 1` are not padding."""
        x, y = (
            pack_padded_sequence(part, lengths, batch_first=True, enforce_sorted=False)
            for part in (self.embedding(ids[:, :-1]), ids[:, 1:])
        )
        return F.cross_entropy(self.score(self.core(x)[0].data), y.data)

    def step(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> Tensor:
        return self.score(self.core(self.embedding(ids), state)[0])


def text_models(words: np.ndarray) -> Figures:
    """How many times as fast as the plain model ours is; words: lengths of questions to draw from."""
    torch.manual_seed(0)
    lengths = torch.from_numpy(np.random.default_rng(0).choice(words, QUESTIONS))
    ids = torch.randint(1, WORDS, (QUESTIONS, int(lengths.max())))
    letters = 5 * lengths + 1  # with the spaces
    padded = torch.randint(4, LETTERS, (QUESTIONS, int(letters.max()) + 1))
    stream = torch.randint(4, LETTERS, (QUESTIONS, CHUNK + 1))  # questions in a row, as train.complete reads them
    encoders = Encoder(True), Encoder(False)
    chars, plain = CharacterModel(LETTERS, layers=2), PlainCharacters()
    figures = {}
    for name, kind in (("training", training_step), ("reading", reading_step)):
        first, second = (kind(net, lambda n: n(ids, lengths)[1].sum()) for net in encoders)
        figures[f"question LSTM, {name}"] = ratio(first, second)
        per_step = ratio(kind(chars, lambda n: n.loss(stream)[0]), kind(plain, lambda n: n.loss(padded, letters)))
        figures[f"character LSTM, {name}"] = per_step * QUESTIONS * CHUNK / int(letters.sum())
    letter, state = padded[:BEAMS, :1], (torch.zeros(2, BEAMS, 256), torch.zeros(2, BEAMS, 256))
    first, second = (
        reading_step(chars.eval(), lambda n: n(letter, state)),
        reading_step(plain, lambda n: n.step(letter, state)),
    )
    figures[f"character LSTM, a step of {BEAMS} beams"] = ratio(first, second, calls=200)
    return {f"{name}: times a packed nn.LSTM": f"{value:.2f}" for name, value in figures.items()}


def training_step(net: nn.Module, loss: Callable[..., Tensor]) -> Callable[[], None]:
    def step() -> None:
        loss(net).backward()
        net.zero_grad()

    return step


def reading_step(net: nn.Module, read: Callable[..., object]) -> Callable[[], None]:
    @torch.inference_mode()
    def step() -> None:
        read(net)

    return step


def ratio(ours: Callable[[], None], plain: Callable[[], None], calls: int = 1) -> float:
    """How many times as fast the first is as the second: the median over the rounds."""
    seconds = seconds_in_turn({"ours": ours, "plain": plain}, ROUNDS, calls, SECONDS)
    return float(np.median(seconds["plain"] / seconds["ours"]))
