"""Writing a caption: the likeliest word each time, several captions at once, or words drawn by chance."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.captioning.captioner import Captioner, Photos, first_word
from vqa.captioning.words import END, PAD, START, UNKNOWN
from vqa.language.beam_search import search, taken
from vqa.model.errors import InputError

MOST = 20  # words of a caption
BEAM = 3


class Found(NamedTuple):
    """A caption for each of P photos: words, numbers `(P, T)`, padded after END; scores, their log-probabilities
    `(P, T)`, 0 at padding; attention, the weights in use `(P, T, N)`."""

    words: Tensor
    scores: Tensor
    attention: Tensor

    def score(self) -> Tensor:
        """The log-probability of the whole caption, END included: `(P,)`."""
        return self.scores.sum(1)


@torch.inference_mode()
def beam_search(net: Captioner, grid: Tensor, beam: int = BEAM, most: int = MOST) -> Found:
    """The likeliest of `beam` captions kept at each word; beam 1 is greedy. (Ranking by the mean over the words instead
    makes them longer, and worse: CIDEr 70 instead of 72 on held-out photos.)

    A beam can lose the greedy caption on its way, so that is written too and kept where it is better: more beams
    never give a worse one. grid `(P, N, D)`. Raises `InputError` for a beam below 1.
    """
    if beam < 1 or most < 1:
        raise InputError(f"The beam is {beam} and captions have {most} words; give 1 or more of each.")
    photos = net.see(grid)
    best = _beam(net, photos, 1, most)
    if beam == 1:
        return best
    wide = _beam(net, photos, beam, most)
    steps = max(best.words.shape[1], wide.words.shape[1])
    better = wide.score() > best.score()
    both = zip(_padded(wide, steps), _padded(best, steps), strict=True)
    return Found(*(torch.where(better.view(-1, *[1] * (w.dim() - 1)), w, b) for w, b in both))


def _beam(net: Captioner, photos: Photos, beam: int, most: int) -> Found:
    """The likeliest that is left of `beam` captions."""
    state = net.begin(photos)

    def step(word: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal state
        h, c = state
        embedded = net.embedding(word)
        made = net.step(embedded, (taken(h, rows), taken(c, rows)), photos)
        state = made.h, made.c
        first = bool((word == START).all())
        return allowed(net.logits(made.h, made.context, embedded), first), made.used.float()

    found = search(step, first_word(photos)[:, 0], beam, most, END, PAD)
    return Found(found.ids[:, 0], found.scores[:, 0], found.attention[:, 0])


@torch.inference_mode()
def sample(
    net: Captioner, grid: Tensor, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0, most: int = MOST
) -> Found:
    """Draw each word; temperature: below 1 likelier ones; top_p: only among the likeliest words that together have
    this probability (Holtzman et al. 2020). Scores are those of the model itself, at temperature 1.

    Raises `InputError` for a temperature that is not above 0, or a top_p outside (0, 1].
    """
    if not 0 < temperature < float("inf") or not 0 < top_p <= 1:
        raise InputError(f"Temperature {temperature} and top_p {top_p}: give one above 0 and one in (0, 1].")
    generator = torch.Generator(grid.device).manual_seed(seed)
    photos = net.see(grid)
    state, word = net.begin(photos), first_word(photos)
    done = torch.zeros_like(word, dtype=torch.bool)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for t in range(most + 1):
        embedded = net.embedding(word)
        step = net.step(embedded, state, photos)
        chances = allowed(net.logits(step.h, step.context, embedded), first=t == 0)[:, 0]
        if t == most:
            chances = only(chances, END)
        drawn = torch.multinomial(nucleus((chances / temperature).softmax(-1), top_p), 1, generator=generator)
        word = drawn.masked_fill(done, PAD)
        parts.append((word[:, 0], chances.gather(1, drawn).masked_fill(done, 0)[:, 0], step.used[:, 0].float()))
        state, done = (step.h, step.c), done | (word == END)
        if done.all():
            break
    return Found(*(torch.stack(part, 1) for part in zip(*parts, strict=True)))


def nucleus(chances: Tensor, top_p: float) -> Tensor:
    """The fewest likeliest words whose probabilities sum to `top_p` or more; the others get 0. `(P, V)`"""
    ranked, order = chances.sort(-1, descending=True)
    kept = ranked.cumsum(-1) - ranked < top_p
    return torch.zeros_like(chances).scatter(-1, order, ranked * kept)


def allowed(logits: Tensor, first: bool = False) -> Tensor:
    """Log-probabilities `(..., V)` of what may be written: words, and END where it is not the first."""
    banned = torch.tensor([PAD, UNKNOWN, START] + [END] * first, device=logits.device)
    return logits.float().index_fill(-1, banned, float("-inf")).log_softmax(-1)


def only(chances: Tensor, word: int) -> Tensor:
    """Log-probabilities where just one word is left; it keeps its own."""
    left = torch.full_like(chances, float("-inf"))
    left[..., word] = chances[..., word]
    return left


def _padded(found: Found, steps: int) -> Found:
    more = steps - found.words.shape[1]
    return Found(F.pad(found.words, (0, more)), F.pad(found.scores, (0, more)), F.pad(found.attention, (0, 0, 0, more)))
