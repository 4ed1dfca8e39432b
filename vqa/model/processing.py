"""Photos and questions to tensors, as a processor of transformers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.processing_utils import ProcessorMixin
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from .errors import InputError
from .photos import square
from .text import pad, tokenize, words


class VQAImageProcessor(BaseImageProcessor):
    """Resizes a photo whole to the model's square (no crop: attention must map back to the whole photo) and
    normalises it.

    size: side of the square in pixels; image_mean, image_std: on the 0-1 scale, a number for all channels or
        three.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012 (as in the base class)

    def __init__(
        self,
        size: int = 224,
        image_mean: float | Sequence[float] = 0.5,
        image_std: float | Sequence[float] = 0.5,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.size, self.image_mean, self.image_std = size, image_mean, image_std

    def square(self, photo: Any) -> np.ndarray:
        """Any photo that `open_photo` takes, as `(S, S, 3)` bytes."""
        return square(photo, self.size)

    def normalize(self, squares: Tensor) -> Tensor:  # type: ignore[override]
        """Bytes `(P, S, S, 3)` to float32 `(P, 3, S, S)` in channels-last memory, a CNN's fastest."""
        scale = (self.image_mean, self.image_std)
        mean, std = (torch.as_tensor(x, device=squares.device) * 255 for x in scale)
        return ((squares - mean) / std).permute(0, 3, 1, 2)

    def preprocess(self, images: Any, return_tensors: str | None = "pt", **_: Any) -> BatchFeature:
        """One photo or a list of them to `pixel_values (P, 3, S, S)`."""
        photos = images if isinstance(images, list | tuple) else [images]
        squares = torch.from_numpy(np.stack([self.square(photo) for photo in photos]))
        return BatchFeature({"pixel_values": self.normalize(squares)}, tensor_type=return_tensors)

    def to_dict(self) -> dict[str, Any]:
        return {
            "image_processor_type": type(self).__name__,
            "auto_map": {"AutoImageProcessor": "processing.VQAImageProcessor"},
            "size": self.size,
            "image_mean": self.image_mean,
            "image_std": self.image_std,
        }


class VQAProcessor(ProcessorMixin):
    """`processor(images=photo, text=question)` gives the model's inputs."""

    _auto_class = "AutoProcessor"  # saving copies this file and those that it imports

    def __init__(self, image_processor: VQAImageProcessor, tokenizer: PreTrainedTokenizerFast, **_: Any):
        super().__init__(image_processor, tokenizer)

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: str, processor_dict: dict | None = None, **kwargs: Any
    ) -> list:
        folder = pretrained_model_name_or_path
        image_processor = VQAImageProcessor.from_pretrained(folder, **kwargs)
        return [image_processor, PreTrainedTokenizerFast.from_pretrained(folder, **kwargs)]

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"auto_map": {"AutoProcessor": "processing.VQAProcessor"}}

    def __call__(self, images: Any = None, text: str | Sequence[str] | None = None, **kwargs: Any) -> BatchFeature:
        """Returns `pixel_values`, `input_ids` and `attention_mask`, whichever were given, and for several questions
        about one photo `photo_index`. Raises `InputError` for another number of photos than of questions."""
        data: dict[str, Tensor] = {}
        if images is not None:
            data |= self.image_processor(images)
        if text is not None:
            questions = [text] if isinstance(text, str) else list(text)
            data["input_ids"], data["attention_mask"] = self.encode(questions)
        if images is not None and text is not None and (photos := len(data["pixel_values"])) != len(questions):
            if photos != 1:
                raise InputError(
                    f"There are {photos} photos and {len(questions)} questions; give a photo for each question, "
                    "or one for all."
                )
            data["photo_index"] = torch.zeros(len(questions), dtype=torch.long)
        return BatchFeature(data)

    def encode(self, questions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Questions to `input_ids` and `attention_mask`, each `(B, T)` with T the longest question's words.

        Raises `InputError` for a question without words or with too many characters.
        """
        input_ids, mask = pad(tokenize(self.tokenizer.backend_tokenizer, questions))
        return torch.from_numpy(input_ids), torch.from_numpy(mask)

    def words(self, question: str) -> tuple[list[str], list[str]]:
        """The question's words as the model reads them, one a step, and those among them that are unknown."""
        return words(self.tokenizer.backend_tokenizer, question)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values"]
