import sys
from types import ModuleType

from ui.zero_gpu import gpu


def test_without_spaces_a_function_is_itself(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert gpu(len) is len


def test_with_spaces_it_is_marked(monkeypatch):
    fake = ModuleType("spaces")
    marked = []
    fake.GPU = lambda function: marked.append(function) or (lambda *values: function(*values))  # type: ignore
    monkeypatch.setitem(sys.modules, "spaces", fake)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert gpu(len)([1, 2]) == 2
    assert marked == [len]
