"""Which places of the photo support an answer: by gradient, by covering chosen parts, or each place in turn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vqa.covering import Mask, check_mask, cover
from vqa.model.photos import resize
from vqa.predict import VQA, Answer, VQALike, ours

BATCH = 8  # photos that are encoded at once


def evidence(vqa: VQALike, photo: Any, question: str, answer: str) -> np.ndarray:
    """How far an answer's log-probability would fall, to first order, if a place looked like the photo's mean.

    e_n = ∂log p/∂v_n · (v_n - v̄), `(h, w)`: gradient times activation place by place (HiResCAM, Draelos & Carin 2020;
    the form of Grad-CAM, Selvaraju et al. 2017, that keeps the places apart). Positive supports the answer, negative
    speaks against it.
    v is the grid after `VQAModel.prepare`: that normalises the raw grid, whose gradient is therefore orthogonal to it.
    With the log-probability and v̄ the map agrees best with `occlusion` (mean correlation over 40 validation
    questions 0.30, against 0.10 for the logit without v̄). Raises `InputError` for an answer that the model does not
    have, or a runtime without gradients.
    """
    vqa = ours(vqa)
    index, model = vqa.answer_index(answer), vqa.model
    import torch  # the other two work without it

    grid = vqa.look(photo).grid
    with torch.no_grad():
        q, *_ = model.question_encoder(*vqa.encode([question]))
        v = model.prepare(grid.clone())  # a tensor made outside inference mode, so that it can have a gradient
    v.requires_grad_()
    with torch.enable_grad():
        logits, _ = model.score(v, q)
        (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[0, index], v)
    v = v.detach()
    return (gradient * (v - v.mean(1, keepdim=True))).sum(-1).reshape(vqa.grid_size).float().cpu().numpy()


@dataclass(frozen=True)
class WhatIf:
    """An answer before and after a part of the photo was covered; photo: the covered one."""

    before: Answer
    after: Answer
    changes: list[tuple[str, float, float]]
    photo: Image.Image

    def to_dict(self) -> dict[str, Any]:
        """The object that the app's `/what_if` returns."""
        changes = [{"answer": a, "before": x, "after": y, "change": y - x} for a, x, y in self.changes]
        return {"before": self.before.to_dict(), "after": self.after.to_dict(), "changes": changes}


def what_if(vqa: VQALike, photo: Any, question: str, mask: Mask, top: int = 5) -> WhatIf:
    """Cover the masked parts and ask again.

    mask: rows of 0 and 1 over the whole photo, see `cover`. The changes are those of the best `top` answers of both,
    the greatest change first. Raises `InputError` for an invalid mask.
    """
    cells = check_mask(mask)
    whole = vqa.look(photo)
    covered = vqa.look(cover(whole.photo, cells))
    before, after = (vqa.ask(look, question, top) for look in (whole, covered))
    names = list(dict.fromkeys(score.answer for answer in (before, after) for score in answer.top if score.answer))
    first, second = (vqa.scores(look, question, names) for look in (whole, covered))
    changes = list(zip(names, first, second, strict=True))
    return WhatIf(before, after, sorted(changes, key=lambda row: -abs(row[2] - row[1])), covered.photo)


def occlusion(vqa: VQALike, photo: Any, question: str, answer: str | None = None) -> np.ndarray:
    """How far an answer's probability falls when each cell of the grid is covered: `(h, w)`, negative where it rises
    (Zeiler & Fergus 2014). Exact, but slow: each cell needs an encoding of its own. For a foreign model, which takes a
    thousand times as long, from coarse to fine (see `coarse_to_fine`).

    answer: by default the best one.
    """
    look = vqa.look(photo)
    if vqa.kind:
        foreign: Any = vqa
        return foreign.occlusion(look.photo, question, answer or vqa.ask(look, question, 1).text)
    vqa = ours(vqa)
    index = int(probabilities(vqa, look.grid, question).argmax()) if answer is None else vqa.answer_index(answer)
    square = resize(look.photo, vqa.checkpoint.size)
    height, width = vqa.grid_size
    masks = np.eye(height * width, dtype=bool).reshape(-1, height, width)
    image = Image.fromarray(square)
    scores = []
    for start in range(0, len(masks), BATCH):
        covered = [np.asarray(cover(image, mask)) for mask in masks[start : start + BATCH]]
        grids = vqa.encode_squares(np.stack(covered))
        scores.append(probabilities(vqa, grids, question)[:, index])
    whole = probabilities(vqa, vqa.encode_squares(square[None]), question)[0, index]
    return (whole - np.concatenate(scores)).reshape(height, width)


def probabilities(vqa: VQA, grids: Any, question: str) -> np.ndarray:
    """One question about P photos, as grids `(P, N, D)`: the answers' probabilities `(P, A)`."""
    return vqa.calibrated(vqa.logits(grids, [question] * len(grids), np.arange(len(grids))).logits)
