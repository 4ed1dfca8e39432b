"""A language model over characters: read one, score the next."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.model.recurrent import Recurrent, State


class CharacterModel(nn.Module):
    """Many to many: at each step a character goes in and a score for each possible next one comes out.

        h_t = LSTM(E[c_t], h_(t-1))          p(c_(t+1) | c_1 … c_t) = softmax(V h_t + b)

    after Karpathy's min-char-rnn and Graves 2013 ("Generating Sequences With Recurrent Neural Networks").
    size: characters in the vocabulary; the core as `Recurrent`'s.
    """

    def __init__(self, size: int, cell: str = "lstm", layers: int = 1, hidden: int = 256, embedding: int = 64):
        super().__init__()
        self.embedding = nn.Embedding(size, embedding)
        self.recurrent = Recurrent(cell, embedding, hidden, layers)
        self.score = nn.Linear(hidden, size)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """ids `(B, T)` and the state to start from to the logits `(B, T, size)` and the state to carry on from."""
        states, _, final = self.recurrent(self.embedding(ids), state=state)
        assert final is not None
        return self.score(states), final

    def loss(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Mean cross-entropy in nats of each character of ids `(B, T + 1)` after those before it, and the last state.

        A chunk of truncated back-propagation through time (Williams & Peng 1990): with the detached state of the
        previous chunk, gradients stay inside the chunk while the state is carried on.
        """
        logits, final = self(ids[:, :-1], state)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()), final


def selected(state: State, rows: Tensor) -> State:
    """The states of some rows of the batch."""
    if isinstance(state, tuple):
        h, c = state
        return h.index_select(1, rows), c.index_select(1, rows)
    return state.index_select(1, rows)


@torch.inference_mode()
def bits_per_character(net: CharacterModel, streams: Tensor, chunk: int = 500) -> float:
    """The mean number of bits per character, over parallel streams `(B, N)` read from a zero state."""
    state: State | None = None
    nats, count = 0.0, 0
    for start in range(0, streams.shape[1] - 1, chunk):
        ids = streams[:, start : start + chunk + 1]
        loss, state = net.loss(ids, state)
        nats += float(loss) * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    return nats / max(1, count) / math.log(2)
