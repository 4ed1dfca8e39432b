"""After an import of one of our classes, transformers' Auto classes know a checkpoint.

test_hub.py has a process that imports ours after theirs.
"""

from pathlib import Path

import pytest
import torch
import transformers

from vqa import VQAConfig, VQAModel
from vqa.checkpoint.load import load_checkpoint

KINDS = ("AutoConfig", "AutoModelForVisualQuestionAnswering", "AutoModel", "AutoProcessor", "AutoImageProcessor")


@pytest.mark.parametrize("trust", [None, False, True])
def test_every_auto_class_gives_the_package_s_own(tiny_checkpoint: Path, trust: bool | None) -> None:
    kinds = [getattr(transformers, name).from_pretrained(tiny_checkpoint, trust_remote_code=trust) for name in KINDS]
    expected = ["VQAConfig", "VQAModel", "VQAModel", "VQAProcessor", "VQAImageProcessor"]
    assert [type(kind).__name__ for kind in kinds] == expected
    assert all(type(kind).__module__.startswith("vqa.") for kind in kinds)
    own = load_checkpoint(tiny_checkpoint)[0].state_dict()
    torch.testing.assert_close(kinds[1].state_dict(), own, rtol=0, atol=0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint, trust_remote_code=trust)
    assert tokenizer.get_vocab() == kinds[3].tokenizer.get_vocab()


def test_a_model_can_be_made_from_a_configuration() -> None:
    config = transformers.AutoConfig.for_model("glimpse", backbone="tiny", image_size=32, id2label={0: "yes", 1: "no"})
    assert isinstance(config, VQAConfig)
    assert isinstance(transformers.AutoModelForVisualQuestionAnswering.from_config(config), VQAModel)
