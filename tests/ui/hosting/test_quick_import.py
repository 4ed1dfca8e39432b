"""Gradio is imported without writing type stubs."""

import inspect
from pathlib import Path

import pytest
from gradio.component_meta import create_or_modify_pyi

from ui.hosting.quick_import import gradio, unknown


def test_a_class_whose_file_is_unknown_has_no_stub(monkeypatch):
    assert inspect.getfile(Path).endswith("pathlib.py")  # as before
    touched: list[Path] = []
    monkeypatch.setattr(Path, "read_text", lambda path, **_: touched.append(path))
    with pytest.raises((AttributeError, TypeError)):
        create_or_modify_pyi(gradio.HTML, "HTML", [])
    assert [path.name for path in touched] == ["html.py"]
    monkeypatch.setattr(inspect, "getfile", unknown)
    create_or_modify_pyi(gradio.HTML, "HTML", [])
    assert len(touched) == 1
