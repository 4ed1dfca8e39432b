"""A question becomes a vector, and each of its words gets a weight."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .recurrent import Recurrent
from .settings import VQASettings


class EncodedQuestion(NamedTuple):
    """vector `(B, H)`, with K looks `(B, H + K·H)`; word_weights `(B, T)`, summing to 1 over the words; states
    `(B, T, H)`."""

    vector: Tensor
    word_weights: Tensor
    states: Tensor


class QuestionEncoder(nn.Module):
    """Words to vectors, a recurrent core over them, and attention over the words.

        e_t = E[w_t]                      h_1 … h_T = LSTM(e_1 … e_T)
        a = softmax_t(u · tanh(W h_t))    q = h_T + V Σ_t a_t e_t

    The weights a are computed from the states and sum the word vectors, as in the phrase attention of Yu et al. 2018
    (MAttNet, eq. 2); h_T adds the order of the words.

    With K looks each has its own weights and vector, which also sum the states (Hudson & Manning 2018):

        a_k = softmax_t(u_k · tanh(W h_t))    c_k = Σ_t a_kt (h_t + V e_t)    q = [h_T; c_1; …; c_K]

    The reported word weights are then the mean over the looks.
    """

    def __init__(self, config: VQASettings):
        super().__init__()
        size, words = config.state_size, config.embedding_size
        self.embedding = nn.Embedding(config.vocab_size, words, padding_idx=0)
        # small, so that training soon outweighs the random start; the expected length does not depend on the size
        nn.init.normal_(self.embedding.weight[1:], std=math.sqrt(3 / words))
        self.dropout = nn.Dropout(config.word_dropout)
        self.recurrent = Recurrent(
            config.recurrent_cell, words, config.hidden_size, config.num_layers, config.bidirectional
        )
        self.key = nn.Linear(size, size // 4)
        self.score = nn.Linear(size // 4, config.looks, bias=False)
        self.gather = nn.Linear(words, size, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncodedQuestion:
        """input_ids, attention_mask: `(B, T)`, padded on the right; every question has a word."""
        embedded = self.dropout(self.embedding(input_ids))
        states, last, _ = self.recurrent(embedded, attention_mask.sum(1))
        q, weights = self.join(embedded, states, last, attention_mask)
        return EncodedQuestion(q, weights, states)

    def join(self, embedded: Tensor, states: Tensor, last: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """q and the words' weights `(B, T)` from their vectors `(B, T, E)` and the states `(B, T, H)`."""
        scores = self.score(torch.tanh(self.key(states))).transpose(1, 2)  # (B, K, T)
        weights = scores.float().masked_fill(attention_mask.unsqueeze(1) == 0, float("-inf")).softmax(-1)
        asked = self.gather(weights.to(embedded.dtype) @ embedded)  # (B, K, H)
        if asked.shape[1] == 1:
            return last + asked[:, 0], weights[:, 0]
        asked = asked + weights.to(states.dtype) @ states
        return torch.cat((last, asked.flatten(1)), -1), weights.mean(1)
