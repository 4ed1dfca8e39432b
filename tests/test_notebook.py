"""The notebook is one, and its code runs from top to bottom."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "glimpse.ipynb"


def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and {cell["cell_type"] for cell in notebook["cells"]} == {"markdown", "code"}
    namespace: dict = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("%pip", "pass  # %pip"), namespace)
    printed = capsys.readouterr().out
    assert printed.startswith("coffee:") and "what is this?" in printed
    assert namespace["answer"].text and namespace["photo"].name == "coffee.webp"
