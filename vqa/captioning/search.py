"""Captions of photos by beam search or sampling."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vqa.captioning.captioner import Captioner, Photos
from vqa.captioning.words import END, PAD, START, UNKNOWN
from vqa.language import decoding
from vqa.language.decoding import Decoded, Step
from vqa.model.errors import InputError

MOST = 20  # words of a caption
BEAM = 3


@torch.inference_mode()
def beam_search(net: Captioner, grid: Tensor, beam: int = BEAM, most: int = MOST, once: Sequence[int] = ()) -> Decoded:
    """The most probable caption of each photo, K = 1. (Ranking by the mean over the words makes captions longer, and
    worse: CIDEr 70 instead of 72 on held-out photos.)

    A beam can lose the greedy caption, so that is also decoded, and returned where it is better: a wider beam never
    gives a worse caption. grid `(P, N, D)`; once: words that a caption has at most once. Raises `InputError` for a beam
    below 1.
    """
    if beam < 1 or most < 1:
        raise InputError(f"The beam is {beam} and captions have {most} words; give 1 or more of each.")
    photos = net.see(grid)
    greedy = _beam(net, photos, 1, most, once)
    if beam == 1:
        return greedy
    wide = _beam(net, photos, beam, most, once)
    better = wide.total() > greedy.total()
    steps = max(greedy.ids.shape[2], wide.ids.shape[2])
    both = zip(_padded(wide, steps), _padded(greedy, steps), strict=True)
    return Decoded(*(torch.where(better.view(-1, *[1] * (w.dim() - 1)), w, g) for w, g in both))


def _beam(net: Captioner, photos: Photos, beam: int, most: int, once: Sequence[int]) -> Decoded:
    decoded = decoding.beam_search(*_step_and_start(net, photos, once), beam, most, END, PAD)
    return Decoded(*(part[:, :1] for part in decoded))


def _padded(decoded: Decoded, steps: int) -> Decoded:
    more = steps - decoded.ids.shape[2]
    ids, scores, attention = decoded
    return Decoded(F.pad(ids, (0, more)), F.pad(scores, (0, more)), F.pad(attention, (0, 0, 0, more)))


@torch.inference_mode()
def sample(
    net: Captioner,
    grid: Tensor,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    most: int = MOST,
    once: Sequence[int] = (),
) -> Decoded:
    """A random caption of each photo, K = 1; once as for `beam_search`, the other settings as for `decoding.sample`.

    Raises `InputError` for a temperature that is not above 0, or a top_p outside (0, 1].
    """
    if not 0 < temperature < float("inf") or not 0 < top_p <= 1:
        raise InputError(f"Temperature {temperature} and top_p {top_p}: give one above 0 and one in (0, 1].")
    return draw(net, net.see(grid), temperature, top_p, seed, most, once)


def draw(
    net: Captioner, photos: Photos, temperature: float, top_p: float, seed: int, most: int, once: Sequence[int]
) -> Decoded:
    """As `sample`, of photos that are encoded already; the scores have gradients where these are enabled."""
    return decoding.sample(*_step_and_start(net, photos, once), most, END, PAD, temperature, top_p, seed)


def _step_and_start(net: Captioner, photos: Photos, once: Sequence[int]) -> tuple[Step, Tensor]:
    """The captioner as a step of decoding, and START for each photo."""
    state = net.begin(photos)
    written = photos.values.new_zeros(len(photos.values), 1, net.embedding.num_embeddings, dtype=torch.bool)
    single = written[0, 0].index_fill(0, torch.tensor(once, dtype=torch.long, device=written.device), True)

    def step(word: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal state, written
        written = decoding.gathered(written, rows).scatter(-1, word.unsqueeze(-1), True)
        h, c = (decoding.gathered(part, rows) for part in state)
        embedded = net.embedding(word)
        output = net.step(embedded, (h, c), photos)
        state = output.h, output.c
        first = bool((word == START).all())
        logits = net.logits(output.h, output.context, embedded).masked_fill(written & single, float("-inf"))
        return allowed(logits, first), output.used.float()

    return step, torch.full((len(photos.values),), START, device=photos.values.device)


def allowed(logits: Tensor, first: bool = False) -> Tensor:
    """Log-probabilities `(..., V)` of what may be written: words, and END if it is not the first."""
    banned = torch.tensor([PAD, UNKNOWN, START] + [END] * first, device=logits.device)
    return logits.float().index_fill(-1, banned, float("-inf")).log_softmax(-1)
