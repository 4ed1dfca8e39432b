"""Registers Glimpse with the Auto classes of transformers."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)

from vqa.model.configuration import VQAConfig
from vqa.model.model import VQAModel
from vqa.model.processing import VQAImageProcessor, VQAProcessor


def register() -> None:
    """After this `AutoModel.from_pretrained` and the others read a checkpoint with this package's classes."""
    AutoConfig.register(VQAConfig.model_type, VQAConfig, exist_ok=True)
    for auto in (AutoModel, AutoModelForVisualQuestionAnswering):
        auto.register(VQAConfig, VQAModel, exist_ok=True)
    AutoImageProcessor.register(VQAConfig, image_processor_classes={"pil": VQAImageProcessor}, exist_ok=True)
    AutoProcessor.register(VQAConfig, VQAProcessor, exist_ok=True)
