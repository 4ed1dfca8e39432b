"""A trained model takes in more words and answers, so that it can go on learning from other data."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel

HEADS = ("answer_head", "blind_head", "image_only_head")


def grow(net: VQAModel, vocab_size: int, answers: Sequence[str]) -> VQAModel:
    """The same model for `vocab_size` words and these `answers`, with a row of weights for each new one.

    A new word is what it was before, an unknown word. A new answer gets the mean of the old answers' rows, so that it
    is never the best answer before anything is learned. Rows of old words and answers are kept, those of answers that
    are not among `answers` are dropped; confidence is no longer calibrated.

    Raises `ValueError` if words would be lost.
    """
    names = {"id2label": dict(enumerate(answers)), "label2id": {answer: i for i, answer in enumerate(answers)}}
    uncalibrated = {"temperature": 1.0, "yes_no_temperature": None, "blind_temperature": 1.0}
    config = VQAConfig(**net.config.to_dict() | uncalibrated | names | {"vocab_size": vocab_size})
    tensors = net.state_dict()
    words = tensors["question_encoder.embedding.weight"]
    if vocab_size < len(words):
        raise ValueError(f"{len(words)} words do not fit into {vocab_size}.")
    unknown = words[1:2].expand(vocab_size - len(words), -1)
    tensors["question_encoder.embedding.weight"] = torch.cat((words, unknown))
    number = {answer: i for i, answer in enumerate(net.config.answers)}
    old = torch.tensor([number.get(answer, -1) for answer in answers])
    for head in HEADS:
        last = f"{head}.{len(getattr(net, head)) - 1}"
        for name in (f"{last}.weight", f"{last}.bias"):
            tensors[name] = rows(tensors[name], old)
    grown = VQAModel(config)
    grown.load_state_dict(tensors)
    return grown


def rows(values: Tensor, chosen: Tensor) -> Tensor:
    """Rows `chosen (A,)` of `values (B, …)`; the mean of all where that is -1."""
    found = values[chosen]  # -1 is the last row, which gives way at once
    found[chosen < 0] = values.mean(0)
    return found
