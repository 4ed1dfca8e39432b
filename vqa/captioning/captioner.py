"""The decoder: an LSTM that writes a word at a time, with attention over the photo before each."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.captioning.words import PAD
from vqa.model.errors import InputError
from vqa.model.recurrent import Recurrent

ATTENTIONS = ("none", "soft", "hard")
DROPOUT = 0.4


class Photos(NamedTuple):
    """P photos, encoded once for all steps: values `(P, N, C)`, and keys `(P, N, A)` for the attention."""

    values: Tensor
    keys: Tensor


class Step(NamedTuple):
    """One step of K captions for each of P photos: the state after it, h and c `(P, K, H)`; context `(P, K, C)`; the
    distribution over places, attention `(P, K, N)`, and the weights used (a single 1 for hard attention)."""

    h: Tensor
    c: Tensor
    context: Tensor
    attention: Tensor
    used: Tensor


class Written(NamedTuple):
    """Output for whole captions: logits `(P, K, T, V)`; attention and used `(P, K, T, N)`."""

    logits: Tensor
    attention: Tensor
    used: Tensor


class TiedEmbedding(nn.Embedding):
    """Words' embeddings, which also score words (Press & Wolf 2017)."""

    def scores(self, u: Tensor, bias: Tensor) -> Tensor:
        """E u + b: vectors `(…, E)` to scores `(…, V)`."""
        return F.linear(u, self.weight, bias)


class Captioner(nn.Module):
    """Xu et al. 2015, 'Show, Attend and Tell', with a product in place of their small network for the attention's
    energies: keys stay those of the photo, whatever the number of captions, which makes a step 10 times cheaper.

    At each step, from the state h: energies e = K (W_q h) / √A over the N places, a = softmax(e), and

    - none: the mean of all places, through a matrix of its own, at every step (Karpathy & Fei-Fei 2015);
    - soft: z = β Σ a_i v_i with the gate β = sigmoid(w h) (their section 4.2.1);
    - hard: z = β v_s for one place s, drawn from a while training, the likeliest otherwise (section 4.1).

    The update reads the word before and z: (h, c) = LSTM([E y; z], (h, c)). Then p(word) = softmax(E u + b) with
    u = W_h h + W_z z + E y: the output shares the words' embedding E (Press & Wolf 2017), which keeps it small.
    The scores are divided by `temperature`, so that the probabilities are those with which people use the words (Guo et
    al. 2017).

    Raises `InputError` for an unknown kind of attention, or a temperature outside 0.01 to 100.
    """

    def __init__(
        self,
        vocabulary: int,
        channels: int = 1280,
        attention: str = "soft",
        hidden: int = 512,
        embedding: int = 300,
        context: int = 384,
        keys: int = 256,
        temperature: float = 1.0,
    ):
        super().__init__()
        if attention not in ATTENTIONS:
            raise InputError(f"There is no attention {attention!r}; choose one of {', '.join(ATTENTIONS)}.")
        if not 0.01 <= temperature <= 100:
            raise InputError(f"The captioner's temperature is {temperature}; give a number from 0.01 to 100.")
        self.attention, self.temperature = attention, temperature
        self.embedding = TiedEmbedding(vocabulary, embedding, PAD)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        self.values = nn.Linear(channels, context)
        self.norm = nn.LayerNorm(context)
        self.start = nn.Linear(context, 2 * hidden)
        self.recurrent = Recurrent("lstm", embedding + context, hidden)
        self.from_state = nn.Linear(hidden, embedding)
        self.from_context = nn.Linear(context, embedding, bias=False)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        if attention != "none":
            self.keys = nn.Linear(context, keys, bias=False)
            self.query = nn.Linear(hidden, keys)
            self.gate = nn.Linear(hidden, 1)

    def see(self, grid: Tensor) -> Photos:
        """Grids `(P, N, D)`, once a photo."""
        values = F.dropout(torch.relu(self.norm(self.values(grid))), DROPOUT / 2, self.training)
        return Photos(values, values if self.attention == "none" else self.keys(values))

    def begin(self, photos: Photos, captions: int = 1) -> tuple[Tensor, Tensor]:
        """The state (h, c) `(P, K, H)` before START, from the mean of the places."""
        h, c = torch.tanh(self.start(photos.values.mean(1))).unsqueeze(1).expand(-1, captions, -1).chunk(2, -1)
        return h, c

    def step(
        self, word: Tensor, state: tuple[Tensor, Tensor], photos: Photos, sample: bool = False, whole: bool = False
    ) -> Step:
        """Read one word. word: its embedding `(P, K, E)`; sample: hard attention draws its place; whole: it uses the
        whole distribution instead, as in half of its training batches."""
        h, c = state
        gate: Tensor | float = 1.0
        if self.attention == "none":
            attention = h.new_full((*h.shape[:2], photos.values.shape[1]), 1 / photos.values.shape[1])
            used = attention
        else:
            energies = self.query(h) @ photos.keys.transpose(1, 2) / math.sqrt(photos.keys.shape[-1])
            attention = energies.float().softmax(-1)
            hard = self.attention == "hard" and not whole
            used = one_place(attention, sample) if hard else attention
            gate = torch.sigmoid(self.gate(h))
        context = gate * (used.to(photos.values.dtype) @ photos.values)
        x = torch.cat((word.to(context.dtype), context), -1).flatten(0, 1)
        after = self.recurrent.step(x.unsqueeze(1), (h.flatten(0, 1)[None], c.flatten(0, 1)[None]))
        assert after.final is not None
        new_h, new_c = (part.view_as(h) for part in after.final)
        return Step(new_h, new_c, context, attention, used)

    def logits(self, h: Tensor, context: Tensor, word: Tensor) -> Tensor:
        """Scores of the next word `(..., V)`, from the state, the context and the word before."""
        u = F.dropout(self.from_state(h) + self.from_context(context) + word, DROPOUT, self.training)
        return self.embedding.scores(u, self.bias) / self.temperature

    def forward(self, grid: Tensor, captions: Tensor, sample: bool = False, whole: bool = False) -> Written:
        """Read K captions for each photo. grid `(P, N, D)`; captions `(P, K, T)`, START first, padded on the right.

        Only the recurrence is a loop, as the attention depends on the state; all else is one product.
        """
        photos = self.see(grid)
        words = F.dropout(self.embedding(captions), DROPOUT / 2, self.training)
        state = self.begin(photos, captions.shape[1])
        steps: list[Step] = []
        for t in range(captions.shape[2]):
            steps.append(self.step(words[:, :, t], state, photos, sample, whole))
            state = steps[-1].h, steps[-1].c
        h, _, context, attention, used = (torch.stack(part, 2) for part in zip(*steps, strict=True))
        return Written(self.logits(h, context, words), attention, used)


def one_place(attention: Tensor, sample: bool) -> Tensor:
    """A single 1 among zeros `(P, K, N)`: drawn from the distribution, or at its peak."""
    if sample:
        place = torch.multinomial(attention.detach().flatten(0, 1), 1).view(*attention.shape[:2])
    else:
        place = attention.argmax(-1)
    return F.one_hot(place, attention.shape[-1]).to(attention.dtype)
