"""The values in cells, of any core and of the question encoder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.refusal import refusal
from vqa.inside.cells import Reading, read, read_question
from vqa.model.recurrent import Recurrent
from vqa.predict import VQA


def test_reading_holds_the_traces_of_the_core() -> None:
    """They are compared with a naive loop over gates in the tests of `Recurrent`."""
    core = Recurrent("lstm", 3, 4, 2).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    reading = read(core, x, list("abcdef"))
    assert reading.tokens == tuple("abcdef") and len(reading.traces) == 2
    for trace, expected in zip(reading.traces, core.readable(x[None])[1], strict=True):
        assert trace.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(trace[name], values[0].detach().numpy())


def test_a_question_is_read_as_the_model_reads_it(tiny_checkpoint: Path) -> None:
    vqa = VQA.load(tiny_checkpoint, "cpu", "float32")
    reading = read_question(vqa, "what color is the cat?")
    assert reading.tokens == ("what", "color", "is", "the", "cat")
    states = vqa.model.question_encoder(*vqa.encode(["what color is the cat?"])).states
    np.testing.assert_allclose(reading.traces[-1]["h"], states[0].detach().numpy(), atol=1e-6)
    assert "The question is empty" in refusal(read_question, vqa, "  ")
    assert "The text is empty" in refusal(read, Recurrent("rnn", 2, 3), torch.zeros(0, 2), [])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((1, "h", 0), "no layer 2; choose one from 1 to 1"),
        ((-1, "h", 0), "no layer 0"),
        ((0, "c", 0), "no 'c' in this cell; choose one of h"),
        ((0, "h", 3), "no unit 3; choose one from 0 to 2"),
        ((0, "h", -1), "no unit -1"),
    ],
)
def test_missing_layers_and_units_are_reported(place: tuple, message: str) -> None:
    reading = Reading(("a", "b"), ({"h": np.zeros((2, 3))},))
    assert reading.unit(0, "h", 2).tolist() == [0, 0]
    assert message in refusal(reading.unit, *place)
