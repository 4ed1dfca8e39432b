import sys
from types import ModuleType

from ui.hosting.zero_gpu import gpu


def test_without_spaces_a_function_is_itself(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert gpu(len) is len


def test_with_spaces_it_is_marked_only_where_a_gpu_is_lent(monkeypatch):
    fake = ModuleType("spaces")
    marked = []
    fake.GPU = lambda function: marked.append(function) or (lambda *values: function(*values))  # type: ignore
    monkeypatch.setitem(sys.modules, "spaces", fake)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert gpu(len) is len and not marked
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert gpu(len)([1, 2]) == 2
    assert marked == [len]
