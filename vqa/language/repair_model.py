"""Sequence to sequence with attention over all states of the encoder: read a text, write its correction."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.language.character_model import selected
from vqa.language.characters import END, PADDING, START
from vqa.language.decoding import Decoded, beam_search
from vqa.model.recurrent import Recurrent, State


class Source(NamedTuple):
    """The encoder's output for B texts of up to S characters.

    states: `(B, S, H)`, 0 at padding; keys: `(B, S, H)`, the states projected for comparison with the decoder's;
    padding: `(B, S)`, true after a text's end; last: the decoder's initial state `(1, B, H)`.
    """

    states: Tensor
    keys: Tensor
    padding: Tensor
    last: State


class RepairModel(nn.Module):
    """Many to one, then one to many, with attention at every step:

        s_1 … s_S = LSTM forwards and backwards over E[x_1] … E[x_S]
        h_t = LSTM(E[y_(t-1)], h_(t-1))                h_0 = the encoder's last states
        a_t = softmax over i of h_t · W s_i            z_t = Σ_i a_ti s_i
        p(y_t | y_1 … y_(t-1), x) = softmax(V tanh(U [h_t; z_t]) + b)

    the encoder after Bahdanau et al. 2015, attention ("general", global) after Luong et al. 2015: the decoder's states
    do not depend on the attention, so all steps of a known text are computed at once, without a loop.

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
        # Texts of one length, as in a training batch, need no packing, which doubles the time here.
        states, _, final = self.encoder(self.embedding(ids), lengths if padding.any() else None)
        assert isinstance(final, tuple)
        h, c = (torch.cat((part[-2], part[-1]), -1).unsqueeze(0) for part in final)
        return Source(states, self.key(states), padding, (h, c))

    def decode(self, ids: Tensor, source: Source, state: State | None = None) -> tuple[Tensor, Tensor, State]:
        """Score what follows each of the characters ids `(B, T)`, from START on, or of one step, T = 1, from a state.

        Returns logits `(B, T, size)`, attention `(B, T, S)`, 0 at padding, and the last state.
        """
        h, _, final = self.decoder(self.embedding(ids), state=source.last if state is None else state)
        assert final is not None
        scores = h @ source.keys.to(h.dtype).transpose(1, 2)
        attention = scores.masked_fill(source.padding[:, None], float("-inf")).softmax(-1)
        seen = attention.to(h.dtype) @ source.states.to(h.dtype)
        return self.score(torch.tanh(self.join(torch.cat((h, seen), -1)))), attention, final

    def forward(self, ids: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Logits `(B, T - 1, size)` of what follows START; ids `(B, S)`; written `(B, T)`, START … END and padding."""
        return self.decode(written[:, :-1], self.encode(ids, lengths))[0]

    def loss(self, ids: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Mean cross-entropy in nats of a target character, END included."""
        logits = self(ids, lengths, written)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(logits.flatten(0, 1), written[:, 1:].flatten(), ignore_index=PADDING)


@torch.inference_mode()
def write(net: RepairModel, ids: Tensor, lengths: Tensor, beam: int, most: int, banned: Tensor) -> Decoded:
    """Beam search over whole texts.

    ids `(B, S)` and lengths `(B,)` as for `RepairModel.encode`; most: the most characters, without END;
    banned `(B, size)`: characters that must not be written.
    """
    repeated = source = net.encode(ids, lengths)
    state: State | None = None
    texts, width = torch.arange(len(banned), device=ids.device), 1

    def step(last: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal repeated, state, width
        if state is not None:
            state = selected(state, (rows + width * texts[:, None]).flatten())
        if rows.shape[1] != width:  # each text now has several hypotheses
            width = rows.shape[1]
            states, keys, padding = (part.repeat_interleave(width, 0) for part in source[:3])
            repeated = Source(states, keys, padding, source.last)  # the decoder has left its initial state
        logits, attention, state = net.decode(last.view(-1, 1), repeated, state)
        scores = logits.view(*last.shape, -1).masked_fill(banned[:, None], float("-inf")).log_softmax(-1)
        return scores, attention.view(*last.shape, -1)

    return beam_search(step, texts.new_full(texts.shape, START), beam, most, END, PADDING)
