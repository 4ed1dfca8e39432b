"""The PyTorch runtime: on any device, in bfloat16 where that is fast, with gradients."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqa.checkpoint.find import WEIGHTS
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.provenance import checkpoint_provenance
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError
from vqa.runtimes import Logits


class TorchEngine:
    """See `Engine`. The image encoder runs in bfloat16 where the device has it; everything after it in float32."""

    runtime = "torch"

    def __init__(self, folder: Path, device: str = "auto", dtype: str = "auto"):
        self.folder = folder
        self.device = pick_device(device)
        self.model, self.processor = load_checkpoint(folder)
        if dtype not in ("auto", "float32", "bfloat16"):
            raise InputError(f"The precision '{dtype}' is not one of auto, float32, bfloat16.")
        self.dtype = fast_dtype(self.device) if dtype == "auto" else getattr(torch, dtype)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.model.image_encoder.to(self.dtype).to(memory_format=torch.channels_last)
        self.config = self.model.config
        self.grid_size = self.model.grid_size
        self.weights: tuple[Path, ...] = (folder / WEIGHTS,)

    @torch.inference_mode()
    def encode_squares(self, squares: Tensor | np.ndarray) -> Tensor:
        squares = torch.as_tensor(squares).to(self.device)
        pixels = self.processor.image_processor.normalize(squares)
        return self.model.encode_image(pixels.to(self.dtype)).float()

    @torch.inference_mode()
    def logits(
        self, grid: Tensor | np.ndarray, input_ids: Tensor, attention_mask: Tensor, photo_index: Tensor | np.ndarray
    ) -> Logits:
        input_ids, attention_mask = input_ids.to(self.device), attention_mask.to(self.device)
        grid, photo_index = (torch.as_tensor(x).to(self.device) for x in (grid, photo_index))
        output = self.model(input_ids, attention_mask, grid=grid, photo_index=photo_index)
        return Logits(
            output.logits,
            self.model.blind_logits(output.question),
            self.model.image_only_logits(grid)[photo_index],
            output.attention.float().flatten(2),
            output.word_weights.float(),
        )

    def fast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is torch.bfloat16)

    def made_by(self) -> dict[str, Any]:
        return checkpoint_provenance(self.folder, self.model, self.processor)
