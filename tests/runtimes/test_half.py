"""Weights of 16 bits give what float32 weights give, and are read only where they are the same numbers."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vqa.captioning.captioner import TiedEmbedding
from vqa.model.recurrent import Recurrent
from vqa.predict import VQA, ours
from vqa.runtimes import half

fbgemm = pytest.mark.skipif(
    torch.backends.quantized.engine not in ("x86", "fbgemm"), reason="this processor has no FBGEMM"
)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def both(module: nn.Module) -> tuple[Any, Any]:
    """A module with weights of 16 bits, as it is and packed."""
    module.load_state_dict({name: weight.half().float() for name, weight in module.state_dict().items()})
    other = copy.deepcopy(module)
    half.pack(other)
    return module.eval(), other.eval()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each product with packed weights."""
    rows: list[int] = []

    def multiply(x: Tensor, weight: object) -> Tensor:
        rows.append(len(x))
        return torch.ops.quantized.linear_dynamic_fp16(x, weight)

    monkeypatch.setattr(half, "multiply", multiply)
    return rows


@fbgemm
@pytest.mark.parametrize("shape", [(7,), (1, 7), (5, 7), (2, 3, 7), (0, 7)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer(shape: tuple[int, ...], bias: bool, counted: list[int]) -> None:
    module, other = both(nn.Linear(7, 4, bias))
    x = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(other(x), module(x), **CLOSE)
    assert bool(counted) == (len(shape) > 1)


@fbgemm
def test_a_tied_embedding(counted: list[int]) -> None:
    module, other = both(TiedEmbedding(9, 7, 0))
    bias = torch.randn(9)
    with torch.inference_mode():
        for shape in ((1, 3, 7), (80, 7)):
            u = torch.randn(shape)
            torch.testing.assert_close(other.scores(u, bias), module.scores(u, bias), **CLOSE)
        assert torch.equal(other(torch.tensor([0, 3])), module(torch.tensor([0, 3])))
    assert counted == [1]  # not for 80 rows


def both_cores(*arguments: Any) -> tuple[Any, Any]:
    module = Recurrent(*arguments)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return both(module)


@fbgemm
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("count, steps", [(1, 1), (1, 6), (3, 1), (3, 5)])
def test_an_lstm(layers: int, count: int, steps: int, counted: list[int]) -> None:
    module, other = both_cores("lstm", 7, 5, layers)
    x, lengths = torch.randn(count, steps, 7), torch.full((count,), steps)
    state = tuple(torch.randn(2, layers, count, 5))
    with torch.inference_mode():
        for extra in ((), (lengths,), (None, state), (lengths, state)):
            torch.testing.assert_close(tuple(other(x, *extra)), tuple(module(x, *extra)), **CLOSE)
        torch.testing.assert_close(other.step(x[:, :1], state).last, module.step(x[:, :1], state).last, **CLOSE)
    assert len(counted) == 4 * layers * (1 + steps) + 2 * layers


@fbgemm
def test_where_they_do_not_apply(counted: list[int]) -> None:
    module, other = both(nn.Linear(7, 4))
    lstm, packed = both_cores("lstm", 7, 5)
    x, sequences = torch.randn(3, 7), torch.randn(3, 4, 7)
    other(x).sum().backward()
    assert other.weight.grad is not None
    with torch.inference_mode():
        other(torch.randn(half.ROWS + 1, 7))
        with torch.autocast("cpu", torch.bfloat16):
            assert other(x).dtype is torch.bfloat16
        for given in ((sequences, torch.tensor([4, 2, 3])), (torch.randn(1, half.STEPS + 1, 7),)):
            torch.testing.assert_close(packed(*given).states, lstm(*given).states, **CLOSE)
    with torch.no_grad():
        other.weight.mul_(2)
        torch.testing.assert_close(other(x) - other.bias, 2 * (module(x) - module.bias), **CLOSE)
        half.pack(other)
        assert type(other) is half.HalfLinear  # packed once
        other, replaced = both(nn.Linear(7, 4))[1], both(nn.Linear(7, 4))[1]
        other.weight.data = torch.zeros(4, 7)
        replaced.weight = nn.Parameter(torch.zeros(4, 7))
        for changed in (other, replaced):
            torch.testing.assert_close(changed(x), changed.bias.expand(3, 4))
    assert counted == []

    for weight in (torch.empty(4, 0), torch.full((4, 7), torch.inf)):
        assert not half.exact(weight)
    rounded = nn.Linear(7, 4)
    half.pack(rounded)  # its weights need 32 bits
    assert type(rounded) is nn.Linear and type(both_cores("gru", 7, 5)[1]) is Recurrent


def test_without_fbgemm_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")
    assert type(both(nn.Linear(7, 4))[1]) is nn.Linear


@fbgemm
def test_other_dtypes_and_modes(counted: list[int]) -> None:
    module, other = both_cores("lstm", 7, 5, 2)
    x, state = torch.randn(2, 3, 7), torch.randn(2, 2, 2, 5)
    with torch.inference_mode():
        for dtype in (torch.float64, torch.bfloat16):
            part = tuple(state.to(dtype))
            torch.testing.assert_close(other(x, None, part).states, module(x, None, part).states, **CLOSE)
            double = nn.Linear(7, 4).to(dtype)
            half.pack(double)
            assert double(x.to(dtype)).dtype is dtype
        with pytest.raises(RuntimeError):
            other(x, None, tuple(state[:, :, :1]))
        torch.testing.assert_close(other.train()(x).states, module(x).states, **CLOSE)
        assert counted == []
        fresh = both(nn.Linear(7, 4))[1]  # made in inference mode
        fresh(x[0])
        assert counted == [3]


@fbgemm
def test_a_model_s_answers(tiny_checkpoint: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def logits() -> list[list[Tensor]]:
        """Of the same question, asked twice."""
        engine = ours(VQA.load(tiny_checkpoint, "cpu", runtime="torch")).engine
        grid = torch.linspace(-1, 1, 64 * engine.model.image_encoder.channels).view(1, 64, -1)
        ids, ones = torch.tensor([[2, 3, 4]]), torch.ones(1, 3, dtype=torch.long)
        first = engine.logits(grid, ids, ones, torch.tensor([0]), falls=True)
        assert counted == []  # a single question does not wait for the packing
        found = first, engine.logits(grid, ids, ones, torch.tensor([0]), falls=True)
        return [[torch.as_tensor(part) for part in one if part is not None] for one in found]

    both_times = logits()
    assert counted
    counted.clear()
    monkeypatch.setattr("vqa.runtimes.pytorch.pack", lambda net: None)
    torch.testing.assert_close(both_times, logits(), **CLOSE)
    assert counted == []
