"""Models made of trained ones: with more words and answers, or the mean of several."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vqa.checkpoint.load import load_checkpoint
from vqa.model.configuration import VQAConfig
from vqa.model.errors import InputError
from vqa.model.model import VQAModel
from vqa.model.text import UNCALIBRATED

HEADS = ("answer_head", "blind_head", "image_only_head")


def extend(net: VQAModel, vocab_size: int, answers: Sequence[str]) -> VQAModel:
    """The same model for `vocab_size` words and these `answers`, with a row of weights for each new one.

    A new word starts as the unknown word. A new answer gets the mean of the old answers' rows, so that it is never the
    best answer before anything is learned. Rows of old answers that are not among `answers` are dropped; the confidence
    is no longer calibrated.

    Raises `ValueError` if words would be lost.
    """
    names = {"id2label": dict(enumerate(answers)), "label2id": {answer: i for i, answer in enumerate(answers)}}
    config = VQAConfig(**net.config.to_dict() | UNCALIBRATED | names | {"sure": {}, "vocab_size": vocab_size})
    tensors = net.state_dict()
    words = tensors["question_encoder.embedding.weight"]
    if vocab_size < len(words):
        raise ValueError(f"{len(words)} words do not fit into {vocab_size}.")
    unknown = words[1:2].expand(vocab_size - len(words), -1)
    tensors["question_encoder.embedding.weight"] = torch.cat((words, unknown))
    number = {answer: i for i, answer in enumerate(net.config.answers)}
    old = torch.tensor([number.get(answer, -1) for answer in answers])
    for head in HEADS:
        for kind in ("weight", "bias"):
            name = f"{head}.{len(getattr(net, head)) - 1}.{kind}"
            mean = tensors[name].mean(0)
            tensors[name] = tensors[name][old]
            tensors[name][old < 0] = mean
    return build(config, tensors)


def mean_weights(net: VQAModel, folders: Sequence[str]) -> VQAModel:
    """The model whose weights are the mean of those of the checkpoints in `folders`: often better than each of them if
    they were fine-tuned from the same weights ("model soups", Wortsman et al. 2022).

    Raises `InputError` for a checkpoint of another form than `net`.
    """
    each = [load_checkpoint(folder)[0].state_dict() for folder in folders]
    sizes = {name: value.shape for name, value in net.state_dict().items()}
    for folder, tensors in zip(folders, each, strict=True):
        if {name: value.shape for name, value in tensors.items()} != sizes:
            raise InputError(f"The model in {folder} has other sizes than the others; give runs from the same start.")

    def mean(name: str) -> Tensor:
        first = each[0][name]
        if all(torch.equal(tensors[name], first) for tensors in each):
            return first  # to the bit, as the provenance of grids is that of the image encoder's bits
        return (sum(tensors[name].double() for tensors in each) / len(each)).to(first.dtype)

    return build(net.config, {name: mean(name) for name in sizes})


def build(config: VQAConfig, tensors: dict[str, Tensor]) -> VQAModel:
    """The model of a configuration with these weights."""
    net = VQAModel(config)
    net.load_state_dict(tensors)
    return net
