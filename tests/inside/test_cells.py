"""What is read out of a cell is what a plain loop over gates computes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vqa.inside.cells import Reading, read, read_question
from vqa.model.errors import InputError
from vqa.model.recurrent import Recurrent
from vqa.predict import VQA


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def naive_lstm(core: Recurrent, x: np.ndarray) -> list[dict[str, np.ndarray]]:
    """One gate and one unit at a time."""
    traces = []
    for weights in core.core.all_weights:
        W, U, b, d = (w.detach().numpy() for w in weights)
        size = U.shape[1]
        h, c = np.zeros(size), np.zeros(size)
        trace = {name: np.zeros((len(x), size)) for name in "ifgoch"}
        for t, step in enumerate(x):
            new_h, new_c = np.zeros(size), np.zeros(size)
            for k in range(size):
                gate = {}
                for place, name in enumerate("ifgo"):
                    row = place * size + k
                    total = sum(W[row, j] * step[j] for j in range(len(step))) + b[row] + d[row]
                    total += sum(U[row, j] * h[j] for j in range(size))
                    gate[name] = np.tanh(total) if name == "g" else sigmoid(total)
                new_c[k] = gate["f"] * c[k] + gate["i"] * gate["g"]
                new_h[k] = gate["o"] * np.tanh(new_c[k])
                for name, value in {**gate, "c": new_c[k], "h": new_h[k]}.items():
                    trace[name][t, k] = value
            h, c = new_h, new_c
        traces.append(trace)
        x = trace["h"]
    return traces


@pytest.mark.parametrize("layers", [1, 2])
def test_gates_and_cells_are_those_of_a_naive_loop(layers: int) -> None:
    torch.manual_seed(0)
    core = Recurrent("lstm", 3, 4, layers).double()
    for weights in core.core.all_weights:
        for weight in weights:
            torch.nn.init.normal_(weight)
    x = torch.randn(6, 3, dtype=torch.float64)
    reading = read(core, x, list("abcdef"))
    for trace, expected in zip(reading.traces, naive_lstm(core, x.numpy()), strict=True):
        assert trace.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(trace[name], values, atol=1e-10, rtol=0)


def test_a_question_is_read_as_the_model_reads_it(tiny_checkpoint: Path) -> None:
    vqa = VQA.load(tiny_checkpoint, "cpu", "float32")
    reading = read_question(vqa, "what color is the cat?")
    assert reading.tokens == ("what", "color", "is", "the", "cat")
    input_ids, mask = vqa.encode(["what color is the cat?"])
    states = vqa.model.question_encoder(input_ids, mask).states
    np.testing.assert_allclose(reading.traces[-1]["h"], states[0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(("cell", "names"), [("rnn", "h"), ("gru", "rznh"), ("lstm", "ifgoch")])
def test_every_cell_names_its_parts(cell: str, names: str) -> None:
    reading = read(Recurrent(cell, 2, 3), torch.randn(1, 2), ["x"])
    assert sorted(reading.traces[0]) == sorted(names)


def test_what_is_not_there_is_told(tiny_checkpoint: Path) -> None:
    reading = Reading(("a", "b"), ({"h": np.zeros((2, 3))},))
    assert reading.unit(0, "h", 2).tolist() == [0, 0]
    for place, told in (
        ((1, "h", 0), "no layer 2; choose one from 1 to 1"),
        ((-1, "h", 0), "no layer 0"),
        ((0, "c", 0), "no 'c' in this cell; choose one of h"),
        ((0, "h", 3), "no unit 3; choose one from 0 to 2"),
        ((0, "h", -1), "no unit -1"),
    ):
        with pytest.raises(InputError, match=told):
            reading.unit(*place)
    with pytest.raises(InputError, match="The text is empty"):
        read(Recurrent("rnn", 2, 3), torch.zeros(0, 2), [])
    with pytest.raises(InputError, match="The question is empty"):
        read_question(VQA.load(tiny_checkpoint, "cpu", "float32"), "  ")
