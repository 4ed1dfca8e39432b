"""How far a gradient reaches back: its norm at each step, for each cell, with and without gates and clipping.

Sources: Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio, "On the difficulty of training
recurrent neural networks", ICML 2013. By the chain rule

    dL/dh_(t-1) = W_hh^T diag(tanh'(a_t)) dL/dh_t

so over many steps it vanishes if W_hh's largest singular value is below 1, and may explode if it is above. From c_t to
c_(t-1) of an LSTM there is only the product with the forget gate.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqa.model.errors import InputError
from vqa.model.recurrent import CELLS, Recurrent
from vqa.predict import VQA

SYMBOLS, BATCH = 8, 16  # of the copy task


@dataclass(frozen=True)
class Flow:
    """Gradients of one loss.

    h, c: by layer, the norm of dLoss/dh_t and dLoss/dc_t at each of T steps, for a sample's own loss, the mean over the
    batch (c: LSTM only; its gradient includes the path through h).
    singular: by layer, the largest singular value of the recurrent matrix, the largest of its gates' blocks.
    gradient: the L2 norm of the parameters' gradient; clipped: the same after clipping, if there is any.
    """

    h: list[list[float]]
    c: list[list[float]]
    singular: list[float]
    gradient: float
    clipped: float | None

    @property
    def clip_factor(self) -> float:
        """The factor of clipping, by which every step's contribution is multiplied."""
        return 1.0 if self.clipped is None or not self.gradient else self.clipped / self.gradient

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def unrolled(core: Recurrent, x: Tensor) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Every state as a separate tensor, so that each has a gradient: h and c by layer and step, `(B, H)` each.

    x: `(B, T, E)`. Raises `InputError` for a bidirectional core.
    """
    if core.core.bidirectional:
        raise InputError("The gradient is followed only in a core that reads in one direction; choose such a one.")
    h: list[list[Tensor]] = []
    c: list[list[Tensor]] = []
    below = list(x.unbind(1))
    for weights in core.core.all_weights:
        state = [x.new_zeros(len(x), core.core.hidden_size)] * (2 if core.cell == "lstm" else 1)
        h.append([])
        c.append([])
        for step in below:
            trace = CELLS[core.cell](step, tuple(state), *weights)
            state = [trace[name] for name in ("h", "c") if name in trace]
            h[-1].append(state[0])
            c[-1] += state[1:]
        below = h[-1]
    return h, c


def gradient_flow(core: Recurrent, x: Tensor, loss: Callable[[Tensor], Tensor], clip: float | None = None) -> Flow:
    """Follow the gradient of `loss` back through the steps.

    x: `(B, T, E)`; loss: from the last layer's states `(B, T, H)` to a scalar. clip: the largest L2 norm of
    the parameters' gradient (Pascanu et al. 2013, algorithm 1).
    """
    h, c = unrolled(core, x)
    value = loss(torch.stack(h[-1], 1))
    parameters = list(core.parameters())
    states = [state for layer in (*h, *c) for state in layer]
    gradients = torch.autograd.grad(value, [*states, *parameters], allow_unused=True, materialize_grads=True)
    norms = [float(gradient.norm(dim=-1).mean()) * len(x) for gradient in gradients[: len(states)]]
    steps = x.shape[1]
    rows = [norms[i : i + steps] for i in range(0, len(norms), steps)]
    for parameter, gradient in zip(parameters, gradients[len(states) :], strict=True):
        parameter.grad = gradient.clone()
    before = float(nn.utils.clip_grad_norm_(parameters, float("inf") if clip is None else clip))
    after = float(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    core.zero_grad(set_to_none=True)
    cells = [row for row in rows[len(h) :] if row]
    return Flow(rows[: len(h)], cells, singular_values(core), before, None if clip is None else after)


def singular_values(core: Recurrent) -> list[float]:
    """By layer, the largest singular value of W_hh; of gates' stacked matrices that of the largest block."""
    size = core.core.hidden_size
    return [
        max(float(torch.linalg.matrix_norm(block.detach().float(), 2)) for block in weights[1].split(size))
        for weights in core.core.all_weights
    ]


def copy_task(
    cell: str, layers: int = 1, steps: int = 100, clip: float | None = None, seed: int = 0, **core_settings: Any
) -> Flow:
    """The gradient at the start of training on a long copy task (Hochreiter & Schmidhuber 1997): after `steps` symbols
    predict the first one. The loss is at the last step alone, so its gradient has to flow back through all.

    core_settings: hidden, forget_bias and scale of `untrained`. Raises `InputError` for an invalid cell, number of
    layers or number of steps.
    """
    if not 2 <= steps <= 1000:
        raise InputError(f"The task has {steps} steps; choose 2 to 1000.")
    core, head = untrained(cell, SYMBOLS, SYMBOLS, layers, seed=seed, **core_settings)
    symbols = torch.randint(SYMBOLS, (BATCH, steps), generator=torch.Generator().manual_seed(seed))
    x = F.one_hot(symbols, SYMBOLS).double()
    return gradient_flow(core, x, lambda states: F.cross_entropy(head(states[:, -1]), symbols[:, 0]), clip)


def question_task(
    vqa: VQA, questions: Sequence[str], cell: str, layers: int = 1, clip: float | None = None, **core_settings: Any
) -> Flow:
    """The same on questions, many to one: after the last word predict the answer.

    An untrained core reads the model's word vectors; the answer is the model's own without the photo. Raises
    `InputError` for questions of different numbers of words, one that cannot be read, or an invalid setting.
    """
    input_ids, mask = vqa.encode(questions)
    if not mask.all():
        raise InputError("The questions differ in their number of words; give questions of one length.")
    encoder = vqa.model.question_encoder
    with torch.no_grad():
        answers = vqa.model.blind_logits(encoder(input_ids, mask).vector).argmax(-1).cpu()
        x = encoder.embedding(input_ids).cpu().double()
    core, head = untrained(cell, x.shape[-1], len(vqa.answers), layers, **core_settings)
    return gradient_flow(core, x, lambda states: F.cross_entropy(head(states[:, -1]), answers), clip)


def of_one_length(vqa: VQA, questions: Sequence[str], count: int = 16) -> list[str]:
    """`count` questions of the same number of words, the greatest with so many questions.

    Raises `InputError` where there are too few.
    """
    by_length: dict[int, list[str]] = {}
    for question in dict.fromkeys(questions):
        by_length.setdefault(len(vqa.words(question)[0]), []).append(question)
    enough = [length for length, same in by_length.items() if len(same) >= count and length > 1]
    if not enough:
        raise InputError(f"No {count} of the questions have the same number of words; give more questions.")
    return by_length[max(enough)][:count]


def untrained(
    cell: str,
    inputs: int,
    outputs: int,
    layers: int = 1,
    hidden: int = 64,
    forget_bias: float = 1.0,
    scale: float = 1.0,
    seed: int = 0,
) -> tuple[Recurrent, nn.Linear]:
    """An untrained core in float64 and a head over its states.

    scale: multiplies every recurrent matrix; it is orthogonal, so its singular values are then `scale`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        core = Recurrent(cell, inputs, hidden, layers, forget_bias=forget_bias).double()
        head = nn.Linear(hidden, outputs).double()
    with torch.no_grad():
        for weights in core.core.all_weights:
            weights[1].mul_(scale)
    return core, head


def question_flow(vqa: VQA, photo: Any, question: str) -> tuple[list[str], Flow]:
    """The model's own gradient: of -log p(its answer) with respect to the question encoder's states, by word.

    Returns the words and the flow. Raises `InputError` for a photo or question that cannot be read.
    """
    input_ids, mask = vqa.encode([question])
    words, _ = vqa.words(question)
    encoder, grid = vqa.model.question_encoder, vqa.look(photo).grid.clone()
    with torch.no_grad():
        v = vqa.model.prepare(grid)
        embedded = encoder.embedding(input_ids)
    best: list[Tensor] = []

    def loss(states: Tensor) -> Tensor:
        q, _ = encoder.join(embedded, states, states[:, -1], mask)
        logits, _ = vqa.model.score(v, q)
        best.append(logits.argmax(-1))
        return F.cross_entropy(logits, best[-1])

    with torch.enable_grad():
        return words, gradient_flow(encoder.recurrent, embedded, loss)


def reach(norms: Sequence[float]) -> float:
    """The fraction of the last step's gradient that is left at the first step."""
    return norms[0] / norms[-1] if norms[-1] else 0.0
