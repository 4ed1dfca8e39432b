"""The models that write, as ONNX files for one photo or text: each file is a step, and the search is the caller's."""

from pathlib import Path

import torch
from torch import Tensor, nn

from train.export_onnx import onnx_graph
from vqa.captioning.captioner import Captioner, Photos
from vqa.language.character_model import CharacterModel
from vqa.model.recurrent import lstm_cell


class CaptionPhoto(nn.Module):
    """A grid `(1, N, C)` to the values and keys `(1, N, …)` and the state h, c `(1, H)` before the first word."""

    def __init__(self, net: Captioner):
        super().__init__()
        self.net = net

    def forward(self, grid: Tensor) -> tuple[Tensor, ...]:
        photos = self.net.see(grid)
        h, c = self.net.begin(photos)
        # An output cannot be another one, as the keys are without attention.
        return photos.values, photos.keys + 0, h.squeeze(0), c.squeeze(0)


class CaptionStep(CaptionPhoto):
    """The last words `(K,)` of K captions and their states h, c `(K, H)` to the logits of the next word `(K, V)`, the
    new states, and where each looked `(K, N)`."""

    def forward(self, word: Tensor, h: Tensor, c: Tensor, values: Tensor, keys: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        embedded = self.net.embedding(word)[None]
        step = self.net.step(embedded, (h[None], c[None]), Photos(values, keys))
        logits = self.net.logits(step.h, step.context, embedded)
        return logits[0], step.h[0], step.c[0], step.used[0]


class CompleteStep(nn.Module):
    """The last characters `(K,)` of K texts and the states h, c `(L, K, H)` to the logits of the next one `(K, V)` and
    the new states."""

    def __init__(self, net: CharacterModel):
        super().__init__()
        self.net = net

    def forward(self, ids: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        x, states = self.net.embedding(ids), []
        for layer, weights in enumerate(self.net.recurrent.core.all_weights):
            trace = lstm_cell(x, (h[layer], c[layer]), *weights)
            x = trace["h"]
            states.append((x, trace["c"]))
        return self.net.score(x), *map(torch.stack, zip(*states, strict=True))


def write_captioner(net: Captioner, places: int, photo: Path, step: Path) -> None:
    """Write both files of a captioner over a grid of so many places."""
    channels = net.values.in_features
    hidden = net.recurrent.core.hidden_size
    first = CaptionPhoto(net).eval()
    with torch.inference_mode():
        values, keys, *_ = (part.clone() for part in first(torch.rand(1, places, channels)))
    _write(first, {"grid": torch.rand(1, places, channels)}, ("values", "keys", "h", "c"), {}, photo)
    state = {name: torch.rand(3, hidden) for name in ("h", "c")}
    example = {"word": torch.tensor([5, 6, 7]), **state, "values": values, "keys": keys}
    outputs = ("logits", "new_h", "new_c", "attention")
    _write(CaptionStep(net).eval(), example, outputs, dict.fromkeys(("word", "h", "c"), 0), step)


def write_completer(net: CharacterModel, step: Path) -> None:
    """Write a character model with an LSTM."""
    layers, hidden = net.recurrent.core.num_layers, net.recurrent.core.hidden_size
    example = {"ids": torch.tensor([5, 6, 7])} | {name: torch.rand(layers, 3, hidden) for name in ("h", "c")}
    _write(CompleteStep(net).eval(), example, ("logits", "new_h", "new_c"), {"ids": 0, "h": 1, "c": 1}, step)


def _write(
    module: nn.Module, example: dict[str, Tensor], outputs: tuple[str, ...], many: dict[str, int], file: Path
) -> None:
    """many: the axis of each input that has an entry for each caption or text."""
    import onnx

    count = torch.export.Dim("K")
    shapes = {name: {many[name]: count} if name in many else {} for name in example}
    onnx.save(onnx_graph(module, example, outputs, shapes), file)
