"""Very small ViLT and BLIP models with random weights, saved as transformers saves them, and a photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
    ViltConfig,
    ViltForQuestionAnswering,
    ViltImageProcessor,
    ViltProcessor,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "what", "is", "on", "the", "table", "?", "color", "cat"]
WORDS += ["how", "many", "a", "red", "dog", "yes", "no", "two"]
ANSWERS = ["yes", "no", "red", "Two dogs"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WIDE = {"initializer_range": 0.5}  # so that random weights distinguish photos and questions


def tokenizer() -> BertTokenizer:
    return BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})


@pytest.fixture(scope="session")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViLT of 16-pixel patches; photos are made 64 pixels high or wide, the shorter side."""
    torch.manual_seed(0)
    config = ViltConfig(
        vocab_size=len(WORDS),
        image_size=64,
        patch_size=16,
        max_position_embeddings=12,
        id2label=dict(enumerate(ANSWERS)),
        **SIZES,
        **WIDE,
    )
    folder = tmp_path_factory.mktemp("foreign") / "vilt"
    ViltForQuestionAnswering(config).save_pretrained(folder)
    images = ViltImageProcessor(size={"shortest_edge": 64}, size_divisor=16)
    ViltProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP of 4 x 4 patches."""
    torch.manual_seed(0)
    text = {
        "vocab_size": len(WORDS),
        "encoder_hidden_size": 16,
        "projection_dim": 16,
        "max_position_embeddings": 24,
        "bos_token_id": WORDS.index("[DEC]"),
        "pad_token_id": 0,
        "sep_token_id": WORDS.index("[SEP]"),
        "eos_token_id": WORDS.index("[SEP]"),
        "is_decoder": True,
    }
    vision = {"image_size": 64, "patch_size": 16, "projection_dim": 16}
    config = BlipConfig(
        text_config=text | SIZES | WIDE, vision_config=vision | SIZES | WIDE, image_text_hidden_size=16, **WIDE
    )
    folder = tmp_path_factory.mktemp("foreign") / "blip"
    net = BlipForQuestionAnswering(config)
    with torch.no_grad():
        bias = net.text_decoder.cls.predictions.bias
        bias[:6] = -20.0  # no answer has a special token,
        bias[WORDS.index("[SEP]")] = 4.0  # and each ends
    net.save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 64, "width": 64})
    BlipProcessor(images, tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 x 90 pixels of noise."""
    path = tmp_path_factory.mktemp("foreign") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(path)
    return path
