"""Sequence to sequence with attention over all states of the encoder: read a text, write it anew."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.language.beam_search import Beams, search
from vqa.language.character_model import selected
from vqa.language.characters import END, PADDING, START
from vqa.model.recurrent import Recurrent, State


class Source(NamedTuple):
    """What the encoder made of B texts of up to S characters.

    states: `(B, S, H)`, 0 at padding; keys: `(B, S, H)`, the same ready to be compared with the decoder's;
    padding: `(B, S)`, true where a text is over; last: where the decoder starts, a state of `(1, B, H)`.
    """

    states: Tensor
    keys: Tensor
    padding: Tensor
    last: State

    def taken(self, rows: Tensor) -> "Source":
        """Some of the texts, or one several times."""
        h, c = self.last
        return Source(self.states[rows], self.keys[rows], self.padding[rows], (h[:, rows], c[:, rows]))


class RepairModel(nn.Module):
    """Many to one, then one to many, and a look back at every step:

        s_1 … s_S = LSTM forwards and backwards over E[x_1] … E[x_S]
        h_t = LSTM(E[y_(t-1)], h_(t-1))                h_0 = the encoder's last states
        a_t = softmax over i of h_t · W s_i            z_t = Σ_i a_ti s_i
        p(y_t | y_1 … y_(t-1), x) = softmax(V tanh(U [h_t; z_t]) + b)

    the encoder after Bahdanau et al. 2015, attention ("general", global) after Luong et al. 2015: since the decoder's
    states do not depend on what was looked at, all steps of a known text are computed at once, without a loop.

    size: characters in the vocabulary; hidden: units a direction of the encoder, half of those of the decoder.
    """

    def __init__(self, size: int, hidden: int = 160, embedding: int = 64):
        super().__init__()
        self.embedding = nn.Embedding(size, embedding)
        self.encoder = Recurrent("lstm", embedding, hidden, bidirectional=True)
        self.decoder = Recurrent("lstm", embedding, 2 * hidden)
        self.key = nn.Linear(2 * hidden, 2 * hidden, bias=False)
        self.join = nn.Linear(4 * hidden, 2 * hidden, bias=False)
        self.score = nn.Linear(2 * hidden, size)

    def encode(self, ids: Tensor, lengths: Tensor) -> Source:
        """Read the texts ids `(B, S)` of `lengths (B,)`, padded on the right."""
        padding = torch.arange(ids.shape[1], device=ids.device) >= lengths[:, None]
        # Texts of one length, as training takes them together, need no packing, which doubles the time here.
        given = lengths if padding.any() else None
        states, _, final = self.encoder(self.embedding(ids), given)
        assert isinstance(final, tuple)
        h, c = (torch.cat((part[-2], part[-1]), -1).unsqueeze(0) for part in final)
        return Source(states, self.key(states), padding, (h, c))

    def decode(self, ids: Tensor, source: Source, state: State | None = None) -> tuple[Tensor, Tensor, State]:
        """What comes after each of the characters ids `(B, T)`, the first being START, or those of one step, T = 1,
        with the state of the step before.

        Returns logits `(B, T, size)`, attention `(B, T, S)`, 0 at padding, and the state to carry on from.
        """
        h, _, final = self.decoder(self.embedding(ids), state=source.last if state is None else state)
        assert final is not None
        scores = h @ source.keys.to(h.dtype).transpose(1, 2)
        attention = scores.masked_fill(source.padding[:, None], float("-inf")).softmax(-1)
        seen = attention.to(h.dtype) @ source.states.to(h.dtype)
        return self.score(torch.tanh(self.join(torch.cat((h, seen), -1)))), attention, final

    def forward(self, ids: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Texts ids `(B, S)` and what should be written `(B, T)`, each START … END and padding, to the logits of the
        T - 1 characters after START, `(B, T - 1, size)`."""
        return self.decode(written[:, :-1], self.encode(ids, lengths))[0]

    def loss(self, ids: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Mean cross-entropy in nats of a character that should be written, END included."""
        logits = self(ids, lengths, written)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(logits.flatten(0, 1), written[:, 1:].flatten(), ignore_index=PADDING)


@torch.inference_mode()
def write(net: RepairModel, ids: Tensor, lengths: Tensor, beam: int, most: int, banned: Tensor) -> Beams:
    """Beam search over whole texts, `beam` of each at a time.

    ids `(B, S)` and lengths `(B,)` as for `RepairModel.encode`; most: characters at most, END not counted;
    banned `(B, size)`: characters that must not be written.
    """
    around = source = net.encode(ids, lengths)
    state: State | None = None
    texts, width = torch.arange(len(banned), device=ids.device), 1

    def step(last: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal around, state, width
        if state is not None:
            state = selected(state, (rows + width * texts[:, None]).flatten())
        if rows.shape[1] != width:  # each text now stands there several times
            width = rows.shape[1]
            around = source.taken(texts.repeat_interleave(width))
        logits, attention, state = net.decode(last.view(-1, 1), around, state)
        scores = logits.view(*last.shape, -1).masked_fill(banned[:, None], float("-inf")).log_softmax(-1)
        return scores, attention.view(*last.shape, -1)

    return search(step, texts.new_full(texts.shape, START), beam, most, END, PADDING)
