import queue
import threading
from types import SimpleNamespace

import pytest

from ui.models import BUNDLED, MAX_FURTHER, Models
from vqa.language.complete import Completer
from vqa.model.errors import InputError
from vqa.predict import VQA


@pytest.fixture
def read(monkeypatch) -> list[tuple]:
    """What was loaded: names and devices; the models themselves are stand-ins."""
    loaded: list[tuple] = []

    def load(name, device, runtime):
        loaded.append((name, device))
        if name == "broken":
            raise InputError("There is no model broken; name another.")
        return SimpleNamespace(name=name)

    monkeypatch.setattr(VQA, "load", load)
    return loaded


def answers_of(ask) -> tuple[queue.Queue, threading.Thread]:
    """What `ask` gives or raises, from a thread of its own."""
    found: queue.Queue = queue.Queue()

    def run():
        try:
            found.put(ask())
        except Exception as error:
            found.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return found, thread


def test_get_waits_until_the_own_model_is_loaded():
    models, own = Models("own"), SimpleNamespace()
    found, thread = answers_of(models.get)
    thread.join(0.2)
    assert thread.is_alive() and found.empty()
    models.load(own)
    assert found.get(timeout=5) is own
    assert models.get("own") is models.get("") is models.get(" own ") is models.get(None) is own


@pytest.mark.parametrize("error", [InputError("There is no model here; name another."), RuntimeError("no memory")])
def test_a_failure_is_told_to_whoever_waits(monkeypatch, error):
    def load(name, device, runtime):
        raise error

    monkeypatch.setattr(VQA, "load", load)
    models = Models("own")
    found, _ = answers_of(models.get)
    with pytest.raises(type(error)):
        models.load()
    assert found.get(timeout=5) is error
    with pytest.raises(type(error), match=str(error)):
        models.get()


@pytest.mark.parametrize(("model", "name"), [(None, None), ("folder", "folder")])
def test_the_own_model_is_read_on_the_device(read, model, name):
    models = Models(model, "cuda:1")
    models.load()
    assert read == [(name, "cuda:1")]
    assert models.own == (model or BUNDLED)
    assert models.get() is models.get(models.own)
    assert len(read) == 1


def test_a_name_that_is_not_offered_is_refused(read):
    models = Models("own", offered=["one", "own"])
    models.load()
    assert models.offered == ["own", BUNDLED, "one"]
    assert models.get("one").name == "one"
    assert models.get(BUNDLED).name is None
    with pytest.raises(InputError, match=r"^The model '/etc' is not offered here; choose one of own, bundled, one\.$"):
        models.get("/etc")
    with pytest.raises(InputError) as caught:
        models.get("x" * 5000)
    assert len(str(caught.value)) < 200
    assert [name for name, _ in read] == ["own", "one", None]


def test_any_model_reads_a_real_folder(tiny_checkpoint):
    models = Models("own", "cpu", any_model=True)
    models.load(SimpleNamespace())
    assert isinstance(models.get(str(tiny_checkpoint)), VQA)
    with pytest.raises(InputError):
        models.get(str(tiny_checkpoint / "none"))


def test_few_further_models_stay_loaded_and_the_own_always(read):
    models = Models("own", any_model=True)
    models.load()
    own = models.get()
    names = [f"model-{i}" for i in range(MAX_FURTHER + 1)]
    for name in names[:MAX_FURTHER]:
        models.get(name)
    models.get(names[0])  # used again, so the second is now the oldest
    models.get(names[MAX_FURTHER])
    read.clear()
    assert models.get() is own
    models.get(names[0]), models.get(names[MAX_FURTHER])
    assert read == []
    models.get(names[1])
    assert [name for name, _ in read] == [names[1]]


def test_a_further_model_that_fails_leaves_the_others(read):
    models = Models("own", any_model=True)
    models.load()
    with pytest.raises(InputError, match="There is no model broken"):
        models.get("broken")
    assert models.get().name == "own"
    with pytest.raises(InputError, match="There is no model broken"):  # and is read anew, once it may be there
        models.get("broken")
    assert [name for name, _ in read] == ["own", "broken", "broken"]


def test_a_model_that_two_ask_for_is_read_once(monkeypatch):
    reading, go_on, loaded = threading.Event(), threading.Event(), []

    def load(name, device, runtime):
        reading.set()
        go_on.wait(5)
        loaded.append(name)
        return SimpleNamespace()

    monkeypatch.setattr(VQA, "load", load)
    models = Models("own", any_model=True)
    models.load(SimpleNamespace())
    first, _ = answers_of(lambda: models.get("other"))
    assert reading.wait(5)
    second, waiting = answers_of(lambda: models.get("other"))
    waiting.join(0.2)
    assert second.empty()
    go_on.set()
    assert first.get(timeout=5) is second.get(timeout=5)
    assert loaded == ["other"]


def test_a_small_model_is_loaded_once_for_all_who_need_it_at_once(monkeypatch):
    count, begun = [], threading.Event()

    def load() -> object:
        begun.wait(5)
        count.append(1)
        return object()

    monkeypatch.setattr(Completer, "load", load)
    models = Models("own")
    results = [answers_of(models.completer) for _ in range(5)]
    begun.set()
    assert len({id(found.get(timeout=5)) for found, _ in results}) == 1 and len(count) == 1


@pytest.mark.parametrize(("name", "error"), [("torch", InputError), ("vqa.nothing", ModuleNotFoundError)])
def test_a_missing_package_is_reported_and_our_own_is_an_error(monkeypatch, name, error):
    def load():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(Completer, "load", load)
    with pytest.raises(error, match="needs PyTorch" if error is InputError else name):
        Models("own").completer()
