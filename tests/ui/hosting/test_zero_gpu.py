import sys
from types import SimpleNamespace

from ui.hosting.zero_gpu import gpu


def test_a_function_is_marked_only_where_a_gpu_is_lent(monkeypatch):
    marked = []
    fake = SimpleNamespace(GPU=lambda function: marked.append(function) or (lambda *values: function(*values)))
    monkeypatch.setitem(sys.modules, "spaces", fake)
    for installed, lent in ((False, True), (True, False)):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, installed=installed: installed or None)
        monkeypatch.setenv("SPACES_ZERO_GPU", "true" if lent else "")
        assert gpu(len) is len and not marked
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert gpu(len)([1, 2]) == 2 and marked == [len]
