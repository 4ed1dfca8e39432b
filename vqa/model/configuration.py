"""The model's configuration for transformers: `VQASettings`, stored in the checkpoint's `config.json`."""

from typing import TYPE_CHECKING

from transformers import PreTrainedConfig

from .settings import MODEL_TYPE, VQASettings

if TYPE_CHECKING:  # no import at run time; by this line transformers copies pipeline.py with a checkpoint
    from .pipeline import VQAPipeline  # noqa: F401

TASK = "visual-question-answering"
# What transformers looks up in a checkpoint's config.json: the file beside it and the class in that file.
AUTO_MAP = {
    "AutoConfig": "configuration.VQAConfig",
    "AutoModel": "model.VQAModel",
    "AutoModelForVisualQuestionAnswering": "model.VQAModel",
}
PIPELINES = {
    TASK: {"impl": "pipeline.VQAPipeline", "pt": ["AutoModelForVisualQuestionAnswering"], "type": "multimodal"}
}


class VQAConfig(VQASettings, PreTrainedConfig):  # type: ignore[misc]  # the base also allows texts as the keys of id2label
    """Configuration of a `VQAModel`, whose fields are those of `VQASettings`.

    Raises `InputError` for a value that is not among the choices.
    """

    model_type = MODEL_TYPE
    _auto_class = "AutoConfig"  # saving copies this file and those that it imports
    # outputs that a Trainer's evaluation does not collect beside the logits
    keys_to_ignore_at_inference = ["attention", "word_weights", "question", "states"]  # noqa: RUF012 (as in the base)

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self.check()

    def save_pretrained(self, save_directory, push_to_hub=False, **kwargs):
        """As in the base class, which copies this folder's files along, so that transformers reads the checkpoint where
        this package is not installed (`trust_remote_code=True`)."""
        self.auto_map, self.custom_pipelines = dict(AUTO_MAP), dict(PIPELINES)
        super().save_pretrained(save_directory, push_to_hub, **kwargs)
