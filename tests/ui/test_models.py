import threading

import pytest

from ui import models as module
from ui.models import BUNDLED, KEPT, Models
from vqa.errors import InputError


class Read:
    """Stands for a loaded model."""

    def __init__(self, name: str):
        self.name = name


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Which models were read from disk."""
    names: list[str] = []
    monkeypatch.setattr(Models, "_read", lambda self, name: names.append(name) or Read(name))
    return names


def test_without_a_name_it_is_the_own_model(reads):
    models = Models("mine")
    models.load()
    assert models.get().name == models.get("").name == models.get(" mine ").name == "mine"
    assert reads == ["mine"]
    assert models.offered == ["mine", BUNDLED]
    assert Models().offered == [BUNDLED]


def test_whoever_asks_early_waits(reads):
    models, found = Models(), []
    threads = [threading.Thread(target=lambda: found.append(models.get().name)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert found == []
    models.load()
    for thread in threads:
        thread.join(10)
    assert found == [BUNDLED] * 3
    assert reads == [BUNDLED]


def test_a_failure_is_told_to_whoever_waits():
    models = Models("./none")
    with pytest.raises(InputError, match="There is no model folder"):
        models.load()
    with pytest.raises(InputError, match="There is no model folder"):
        models.get()


def test_only_what_is_offered_is_read(reads):
    models = Models(offered=["other"])
    models.load()
    assert models.get("other").name == "other"
    with pytest.raises(InputError, match="'/etc' is not offered here; choose one of bundled, other"):
        models.get("/etc")
    mine = Models(any_model=True)
    mine.load()
    assert mine.get("/my/model").name == "/my/model"


def test_few_further_models_stay_in_memory(reads):
    models = Models(any_model=True)
    models.load()
    for name in ("a", "b", "a", "c"):
        models.get(name)
    assert len(models._loaded) == 1 + KEPT
    models.get("a")  # used more lately than b, so it has stayed
    assert reads == [BUNDLED, "a", "b", "c"]
    models.get("b")
    assert reads[-1] == "b"
    assert models.get() is models.get(BUNDLED)


def test_the_files_of_the_page_are_there():
    for name in ("glimpse.js", "paint.js", "glimpse.css", "icon-512.png"):
        assert module.static(name).is_file()
