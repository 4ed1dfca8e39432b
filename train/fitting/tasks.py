"""What a question-answering model learns: questions without photos, then answers, then the two baseline heads."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.fitting.batches import photo_batches, plain_batches, share
from train.fitting.box_labels import place_loss
from train.fitting.covers import Covers
from train.fitting.loop import Batch, Task
from train.fitting.photo_labels import PhotoLabels
from train.fitting.photos import LoadPhotos, move, relight
from train.fitting.settings import Settings
from train.fitting.stages import later_stages

if TYPE_CHECKING:
    from train.fitting.prepare import Prepared


class QuestionTask(Task):
    """A task in which only the named `parts` of the model learn; the others stay in evaluation mode.

    heads: those whose scores on the held-out questions choose the best epoch. process: number of this process among all
    `processes`, each of which gets its share of the batches.
    """

    parts: Sequence[str]
    heads: Sequence[str] = ()
    labels: Sequence[PhotoLabels] = ()
    """What is known of the photos and learned too."""
    augmented = False
    """Whether photos are augmented in training mode."""

    def __init__(self, data: "Prepared", settings: Settings, process: int = 0, processes: int = 1):
        super().__init__()
        self.net, self.data, self.settings, self.optim = data.net, data, settings, settings.optim
        self.process, self.processes, self.epochs = process, processes, settings.optim.epochs
        self.photos = len(data.train.photos)
        self.steps = len(photo_batches(data.train.photo, self.optim.batch_size)) // processes
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in self.parts)

    def train(self, mode: bool = True) -> "QuestionTask":
        super().train(False)
        for part in self.parts:
            getattr(self.net, part).train(mode)
        self.training = mode
        return self

    def batches(self, epoch: int) -> Iterator[Batch]:
        data = self.settings.data
        order = np.random.default_rng((self.settings.seed, 2, epoch))
        batches = photo_batches(self.data.train.photo, self.optim.batch_size, order)
        alone = np.arange(len(self.data.train.photos), self.photos)
        mirror = data.mirrored is not None if data.features else self.optim.augment
        pairs = list(zip(batches, np.array_split(order.permutation(alone), len(batches)), strict=True))
        for chosen, more in share(pairs, self.process, self.processes):
            batch = self.data.train.batch(chosen, order if mirror else None, more)
            rows, turned = batch["rows"].numpy(), batch["mirror"].numpy()
            for labels in self.labels:
                batch |= labels.batch(rows, turned)
            yield load(batch, self.data.train_photos)

    def held_out(self) -> dict[str, float]:
        """Mean soft score, in percent, of the best answer of each of the heads on the held-out questions."""
        net, questions, device = self.net, self.data.holdout, next(self.net.parameters()).device
        total = dict.fromkeys(self.heads, 0.0)
        if not total:
            return {}
        for chosen in photo_batches(questions.photo, self.optim.batch_size):
            loaded = load(questions.batch(chosen), self.data.holdout_photos)
            batch = {name: value.to(device) for name, value in loaded.items()}
            grid, photo_index = self.grid(batch.get("grid"), batch.get("squares")), batch["photo_index"]
            question, logits = net.question_encoder(batch["input_ids"], batch["attention_mask"]).vector, {}
            if "answer" in self.heads:
                logits["answer"], _ = net.score(net.prepare(grid), question, photo_index)
            if "blind" in self.heads:
                logits["blind"] = net.blind_logits(question)
            if "image_only" in self.heads:
                logits["image_only"] = net.image_only_logits(grid)[photo_index]
            for head, scored in logits.items():
                total[head] += float(batch["labels"].gather(1, scored.argmax(1, keepdim=True)).sum())
        return {head: 100 * value / len(questions) for head, value in total.items()}

    def grid(self, grid: Tensor | None = None, squares: Tensor | None = None) -> Tensor:
        """The photos' grids, from a feature store or computed of its first stages or of pixels `(P, S, S, 3)`."""
        if squares is not None:
            return self.net.encode_image(self.pixels(squares))
        assert grid is not None, "give grid or squares"
        return later_stages(self.net.image_encoder, grid, self.data.stages) if self.data.stages else grid

    def pixels(self, squares: Tensor) -> Tensor:
        """Bytes to the image encoder's input `(P, 3, S, S)`, in the memory format in which convolutions are fastest."""
        pixel_values = self.data.processor.image_processor.normalize(squares)
        if self.augmented and self.training:
            pixel_values = relight(pixel_values)
            if self.data.train.places is None:  # boxes stay where they are
                pixel_values = move(pixel_values)
        return pixel_values.contiguous(memory_format=torch.channels_last)


class TextTask(QuestionTask):
    """Questions with answers but no photo, through the question encoder and the question-only head."""

    name = "text"
    parts = ("question_encoder", "blind_head")

    def __init__(self, data: "Prepared", settings: Settings, process: int = 0, processes: int = 1):
        super().__init__(data, settings, process, processes)
        assert data.text is not None
        self.text, self.epochs = data.text, 1
        self.steps = -(-len(self.text) // self.optim.batch_size) // processes

    def batches(self, epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng((self.settings.seed, 1, epoch))
        batches = plain_batches(len(self.text), self.optim.batch_size, order)
        for chosen in share(batches, self.process, self.processes):
            batch = self.text.batch(chosen)
            yield {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        question = self.net.question_encoder(input_ids, attention_mask).vector
        return self.net.loss(self.net.blind_logits(question), labels)


class AnswerTask(QuestionTask):
    """The model itself: binary cross-entropy (or softmax) on the answers' soft scores.

    Where a batch has soft targets, the share `trust` of the loss is the cross-entropy to these (Hinton et al. 2015).
    With boxes `place_weight` times the `place_loss` of the attention is added, and the share `covered` of the photos is
    covered in part; an image encoder that is trained learns the photos' labels too.
    """

    name = "model"
    parts: Sequence[str] = ("question_encoder", "attention", "fusion", "answer_head")
    heads = ("answer",)

    def __init__(self, data: "Prepared", settings: Settings, process: int = 0, processes: int = 1):
        if data.trains_encoder:
            self.parts = ("image_encoder", *self.parts)
        super().__init__(data, settings, process, processes)
        self.labels, self.photos = data.labels, data.photos
        self.label_layers = nn.ModuleList(data.labels)
        self.augmented = self.optim.augment
        self.covers = None
        if self.optim.covered:
            stages = data.stages or len(self.net.image_encoder.stages())
            self.covers = Covers(self.net, self.optim.covered, stages)
        for stage in self.net.image_encoder.stages()[: self.optim.frozen_stages]:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> "AnswerTask":
        super().train(mode)
        if self.optim.frozen_stages:  # few photos a step make poor statistics of batch norms
            self.net.image_encoder.eval()
        return self

    def rate_share(self, name: str) -> float:
        return self.optim.encoder_rate if ".image_encoder." in name else 1.0

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        photo_index: Tensor,
        labels: Tensor,
        soft_targets: Tensor | None = None,
        places: Tensor | None = None,
        grid: Tensor | None = None,
        squares: Tensor | None = None,
        **photo_labels: Tensor,
    ) -> Tensor:
        """labels, soft_targets: scores and probabilities `(B, A)`; places: `(B, h, w)`; grid, squares: as in `grid`;
        photo_labels: those of `labels`; the rest: as the model's."""
        if self.covers is not None and self.training:
            assert grid is not None and places is not None, "covers need a feature store and boxes"
            question, targets = (input_ids, attention_mask), [labels]
            if soft_targets is not None:
                targets.append(soft_targets)
            grid, places, labels, *soft = self.covers(grid, places, photo_index, question, *targets)
            soft_targets = soft[0] if soft else None
        grid = self.grid(grid, squares)
        output = self.net(input_ids, attention_mask, grid=grid, photo_index=photo_index, labels=labels)
        loss = output.loss
        if soft_targets is not None:
            trust = self.optim.trust
            loss = (1 - trust) * loss + trust * F.cross_entropy(output.logits, soft_targets)
        if places is not None:
            loss = loss + self.optim.place_weight * place_loss(output.attention, places)
        for part in self.labels:
            loss = loss + part(grid, photo_labels)
        return loss


class BaselineTask(QuestionTask):
    """The two heads that answer without the photo and without the question, on the finished encoders."""

    name = "heads"
    parts = ("blind_head", "image_only_head")
    heads = ("blind", "image_only")

    def __init__(self, data: "Prepared", settings: Settings, process: int = 0, processes: int = 1):
        super().__init__(data, settings, process, processes)
        self.epochs = self.optim.head_epochs
        self.patience = max(2, self.epochs // 5)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        photo_index: Tensor,
        labels: Tensor,
        grid: Tensor | None = None,
        squares: Tensor | None = None,
        **_: Tensor,
    ) -> Tensor:
        with torch.no_grad():
            question = self.net.question_encoder(input_ids, attention_mask).vector
            grid = self.grid(grid, squares)
        image_only = self.net.image_only_logits(grid)[photo_index]
        return self.net.loss(self.net.blind_logits(question), labels) + self.net.loss(image_only, labels)


def load(batch: Batch, photos: LoadPhotos) -> Batch:
    """The batch with its photos, mirrored where `mirror` says so, in place of their numbers `rows`."""
    return batch | photos(batch.pop("rows").numpy(), batch.pop("mirror").numpy())


@torch.inference_mode()
def lower_yes(task: QuestionTask, by: float) -> None:
    """Lower the logit of yes by about `by` for questions for presence, and hardly for others answered with yes or no.

    With h, the input of the answer head, the weights and the bias of yes change by δ, the solution of a ridge
    regression (Hoerl & Kennard 1970): the minimum of E₁ (δ · (h, 1) + by)² + 2 E₀ (δ · (h, 1))² + λ |δ|² over the
    training questions with `presence` 1 and 0. λ is a hundredth of the mean diagonal of the first terms' matrix.
    """
    net, questions, device = task.eval().net, task.data.train, next(task.net.parameters()).device
    weight, bias = (net.answer_head[-1].get_parameter(name) for name in ("weight", "bias"))
    assert questions.presence is not None, "there are questions for presence"
    sums, counts = torch.zeros(2, weight.shape[1] + 1, weight.shape[1] + 1).double(), [0, 0]
    known = np.flatnonzero(questions.presence >= 0)
    for part in photo_batches(questions.photo[known], task.optim.batch_size):
        loaded = load(questions.batch(known[part]), task.data.train_photos)
        batch = {name: value.to(device) for name, value in loaded.items()}
        q = net.question_encoder(batch["input_ids"], batch["attention_mask"]).vector
        v = net.prepare(task.grid(batch.get("grid"), batch.get("squares")))
        z, _ = net.attention(v, q, batch["photo_index"])
        h = F.pad(net.fusion(z, q), (0, 1), value=1.0).cpu()  # (B, F + 1)
        presence = torch.from_numpy(questions.presence[known[part]])
        for kind in (0, 1):
            sums[kind] += (some := h[presence == kind]).T @ some
            counts[kind] += len(some)
    others, asked = (moments / count for moments, count in zip(sums, counts, strict=True))
    matrix = asked + 2 * others
    matrix += 0.01 * matrix.diagonal().mean() * torch.eye(len(matrix))
    delta = torch.linalg.solve(matrix, -by * asked[-1])  # the last row is the mean of (h, 1)
    yes = net.config.answers.index("yes")
    weight[yes] += delta[:-1].to(weight)
    bias[yes] += delta[-1].to(bias)
