"""The PyTorch runtime: on any device, in bfloat16 where that is fast, with gradients."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqa.checkpoint.find import WEIGHTS, Checkpoint
from vqa.checkpoint.load import load_model
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError
from vqa.runtimes import Logits
from vqa.runtimes.folded import FoldedEncoder
from vqa.runtimes.half import pack


class TorchEngine:
    """See `Engine`. The image encoder runs in bfloat16 where the device supports it; everything after it in float32.

    A `FoldedEncoder` of the model's image encoder, as its weights are now, encodes the photos.
    """

    runtime = "torch"

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: str):
        self.checkpoint = checkpoint
        self.device = pick_device(device)
        self.model = load_model(checkpoint)
        if dtype not in ("auto", "float32", "bfloat16"):
            raise InputError(f"The precision '{dtype}' is not one of auto, float32, bfloat16.")
        self.dtype = fast_dtype(self.device) if dtype == "auto" else getattr(torch, dtype)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.encoder = FoldedEncoder(self.model.image_encoder).to(self.dtype).to(memory_format=torch.channels_last)
        self.config, self.grid_size = self.model.config, self.model.grid_size
        scale = (checkpoint.image_mean, checkpoint.image_std)
        self.mean, self.std = (torch.as_tensor(x, device=self.device) * 255 for x in scale)
        # A photo's grid, and what `prepared` returns for it.
        self._last: tuple[Tensor, tuple[Tensor, Any, Tensor | None]] | None = None
        self.calls = 0  # of `logits`
        self.weights: tuple[Path, ...] = (checkpoint.folder / WEIGHTS,)

    def to_device(self, values: Any) -> Tensor:
        return torch.as_tensor(values).to(self.device)

    @torch.inference_mode()
    def encode_squares(self, squares: Any) -> Tensor:
        # as `VQAImageProcessor.normalize`: in channels-last memory, a CNN's fastest
        pixels = ((self.to_device(squares) - self.mean) / self.std).permute(0, 3, 1, 2)
        return self.encoder(pixels.to(self.dtype)).float()

    @torch.inference_mode()
    def logits(
        self,
        grid: Any,
        input_ids: Any,
        attention_mask: Any,
        photo_index: Any,
        image_only: bool = False,
        falls: bool = False,
    ) -> Logits:
        if self.calls == 1:  # it takes 0.1 s, which a single question need not wait for
            pack(self.model)
        self.calls += 1
        grid, photo_index = self.to_device(grid), self.to_device(photo_index)
        questions = self.to_device(input_ids), self.to_device(attention_mask)
        prepared = self.prepared(grid, falls)
        output = self.model(*questions, prepared=prepared, photo_index=photo_index, falls=falls)
        results = Logits(
            output.logits,
            self.model.blind_logits(output.question),
            output.attention.flatten(2),
            output.word_weights,
            self.model.image_only_logits(grid)[photo_index] if image_only else None,
            output.falls,
        )
        return Logits(*(None if result is None else result.float().cpu().numpy() for result in results))

    def prepared(self, grid: Tensor, falls: bool) -> tuple[Tensor, Any, Tensor | None]:
        """What attention reads; for a single photo also what attention, and for the falls the fusion, compute from that
        alone, once for all questions that are asked about the photo in turn."""
        if len(grid) > 1 or torch.is_autocast_enabled(self.device.type):
            return self.model.prepare(grid), None, None
        last = self._last  # another thread may replace it
        if last is None or last[0] is not grid or (falls and last[1][2] is None):
            v = self.model.prepare(grid)
            self._last = last = grid, (v, self.model.attention.project(v), self.model.sides(v) if falls else None)
        return last[1]

    def fast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is torch.bfloat16)

    def made_by(self) -> dict[str, Any]:
        from vqa.checkpoint.provenance import checkpoint_provenance  # not needed for answering

        return checkpoint_provenance(self.checkpoint, self.model.config.backbone)
