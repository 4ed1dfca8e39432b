"""The mean of several models' weights."""

from pathlib import Path

import pytest
import torch

from train.soup import mean, stir
from vqa.checkpoint import load_checkpoint, save_checkpoint
from vqa.configuration import VQAConfig
from vqa.data.vocabulary import build_tokenizer
from vqa.errors import InputError
from vqa.model import VQAModel
from vqa.processing import VQAProcessor


def test_the_mean_of_weights_and_what_is_equal_stays(tiny_checkpoint: Path, tmp_path: Path) -> None:
    net, processor = load_checkpoint(tiny_checkpoint)
    folders, values = [], (1.0, 2.0, 6.0)
    for value in values:
        torch.nn.init.constant_(net.answer_head[1].weight, value)
        save_checkpoint(tmp_path / str(value), net, processor)
        folders.append(str(tmp_path / str(value)))
    stir(net.train(), processor, folders)
    assert (net.answer_head[1].weight == 3.0).all() and not net.training
    kept = load_checkpoint(folders[0])[0].state_dict()  # 16 bits a weight
    for name, tensor in net.state_dict().items():
        assert name == "answer_head.1.weight" or torch.equal(tensor, kept[name]), name


def test_the_mean_is_exact_where_float32_would_round() -> None:
    third = torch.tensor([1 / 3, 0.1, 1e-8])
    assert torch.equal(mean([third] * 3), third)
    assert mean([torch.tensor([1.0]), torch.tensor([2.0])]).tolist() == [1.5]


def test_other_words_answers_or_sizes_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    net, processor = load_checkpoint(tiny_checkpoint)
    words = VQAProcessor(processor.image_processor, build_tokenizer(["another word"]))
    with pytest.raises(InputError, match="has other words than this one"):
        stir(net, words, [str(tiny_checkpoint)])
    wider = VQAModel(VQAConfig(**net.config.to_dict() | {"fusion_size": net.config.fusion_size + 1}))
    with pytest.raises(InputError, match="has other sizes than this one"):
        stir(wider, processor, [str(tiny_checkpoint)])
    fewer = VQAModel(VQAConfig(**net.config.to_dict() | {"id2label": {0: "yes"}, "label2id": {"yes": 0}}))
    with pytest.raises(InputError, match="has other answers than this one"):
        stir(fewer, processor, [str(tiny_checkpoint)])
