"""The model as transformers knows it."""

from dataclasses import dataclass

from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import PreTrainedModel

from .configuration import VQAConfig
from .net import NetOutput, VQANet


@dataclass
class VQAOutput(NetOutput, ModelOutput):
    """A `NetOutput` that transformers can read."""


class VQAModel(VQANet, PreTrainedModel):
    """A `VQANet` with the methods of transformers: `from_pretrained`, `save_pretrained`, `push_to_hub`."""

    config_class = VQAConfig
    _auto_class = "AutoModelForVisualQuestionAnswering"  # saving copies this file and those that it imports
    config: VQAConfig
    base_model_prefix = "glimpse"
    main_input_name = "pixel_values"
    input_modalities = ["image", "text"]  # noqa: RUF012 (as in the base class)
    output = VQAOutput

    def __init__(self, config: VQAConfig):
        PreTrainedModel.__init__(self, config)
        self.build(config)
        self.post_init()

    def _init_weights(self, module) -> None:
        """Does nothing: every module initialises itself, and transformers' default would overwrite that."""
