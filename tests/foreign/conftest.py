"""Very small ViLT and BLIP models with random weights, saved as transformers saves them, and a photo."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t
from PIL import Image

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "what", "is", "on", "the", "table", "?", "color", "cat"]
WORDS += ["how", "many", "a", "red", "dog", "yes", "no", "two"]
ANSWERS = ["yes", "no", "red", "Two dogs"]
SIZES: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WIDE: dict[str, Any] = {"initializer_range": 0.5}  # so that random weights distinguish photos and questions


def asking(data: Path, *rows: tuple[str, str, str]) -> list[str]:
    """Write questions, rows of photo, question and answer; returns the beginning of the command that evaluates them."""
    examples = [dict(zip(("image", "question", "answer"), row, strict=True)) for row in rows]
    data.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return ["evaluate", "--data", str(data)]


def tokenizer() -> t.BertTokenizer:
    return t.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})


@pytest.fixture(scope="session")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViLT of 16-pixel patches; photos are made 64 pixels high or wide, the shorter side."""
    torch.manual_seed(0)
    sizes = {"vocab_size": len(WORDS), "image_size": 64, "patch_size": 16, "max_position_embeddings": 12}
    config = t.ViltConfig(id2label=dict(enumerate(ANSWERS)), **sizes, **SIZES, **WIDE)
    folder = tmp_path_factory.mktemp("foreign") / "vilt"
    t.ViltForQuestionAnswering(config).save_pretrained(folder)
    images = t.ViltImageProcessor(size={"shortest_edge": 64}, size_divisor=16)
    t.ViltProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP of 4 x 4 patches."""
    torch.manual_seed(0)
    begin, end = WORDS.index("[DEC]"), WORDS.index("[SEP]")
    text = {"vocab_size": len(WORDS), "encoder_hidden_size": 16, "projection_dim": 16, "max_position_embeddings": 24}
    text |= {"bos_token_id": begin, "pad_token_id": 0, "sep_token_id": end, "eos_token_id": end, "is_decoder": True}
    vision = {"image_size": 64, "patch_size": 16, "projection_dim": 16}
    configs: dict[str, Any] = {"text_config": text | SIZES | WIDE, "vision_config": vision | SIZES | WIDE}
    folder = tmp_path_factory.mktemp("foreign") / "blip"
    net = t.BlipForQuestionAnswering(t.BlipConfig(**configs, image_text_hidden_size=16, **WIDE))
    with torch.no_grad():
        bias = net.text_decoder.cls.predictions.bias
        bias[:6] = -20.0  # no answer has a special token,
        bias[end] = 4.0  # and each ends
    net.save_pretrained(folder)
    images = t.BlipImageProcessor(size={"height": 64, "width": 64})
    t.BlipProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 x 90 pixels of noise."""
    path = tmp_path_factory.mktemp("foreign") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(path)
    return path
