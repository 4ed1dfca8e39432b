"""Writing a caption: the likeliest word each time, several captions at once, or words drawn by chance."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.captioning.captioner import Captioner, Photos, first_word
from vqa.captioning.words import END, PAD, START, UNKNOWN
from vqa.errors import InputError

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
    state = net.begin(photos)
    word = first_word(photos)  # (P, K), K = 1 at first
    total = word.new_zeros(word.shape, dtype=torch.float32)
    words = word.new_zeros(*word.shape, 0)
    scores = total.new_zeros(*word.shape, 0)
    maps = total.new_zeros(*word.shape, 0, photos.values.shape[1])
    done = torch.zeros_like(word, dtype=torch.bool)
    for t in range(most + 1):
        embedded = net.embedding(word)
        step = net.step(embedded, state, photos)
        chances = allowed(net.logits(step.h, step.context, embedded), first=t == 0)
        if t == most:
            chances = only(chances, END)
        # A finished caption goes on with padding at no cost, and takes one place.
        ended = torch.full_like(chances, float("-inf"))
        ended[..., PAD] = 0
        chances = torch.where(done.unsqueeze(-1), ended, chances)
        totals = (total.unsqueeze(-1) + chances).flatten(1)
        total, place = totals.topk(min(beam, totals.shape[1]))
        row, word = place // chances.shape[-1], place % chances.shape[-1]
        chance = chances.flatten(1).gather(1, place)
        state = taken(step.h, row), taken(step.c, row)
        words = torch.cat((taken(words, row), word.unsqueeze(-1)), -1)
        scores = torch.cat((taken(scores, row), chance.unsqueeze(-1)), -1)
        maps = torch.cat((taken(maps, row), taken(step.used.float(), row).unsqueeze(2)), 2)
        done = (word == END) | (word == PAD)
        if done.all():
            break
    best = total.argmax(1)
    rows = torch.arange(len(best), device=best.device)
    return Found(words[rows, best], scores[rows, best], maps[rows, best])


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


def taken(values: Tensor, row: Tensor) -> Tensor:
    """The chosen captions' values: `(P, K, ...)` and rows `(P, B)` to `(P, B, ...)`."""
    return values[torch.arange(len(row), device=row.device).unsqueeze(1), row]


def _padded(found: Found, steps: int) -> Found:
    more = steps - found.words.shape[1]
    return Found(F.pad(found.words, (0, more)), F.pad(found.scores, (0, more)), F.pad(found.attention, (0, 0, 0, more)))
