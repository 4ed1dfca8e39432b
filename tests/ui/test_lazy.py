import threading

import pytest

from ui.lazy import Lazy
from vqa.model.errors import InputError


def test_it_is_loaded_once_for_all_who_ask_at_once():
    count, begun = [], threading.Event()

    def load() -> object:
        begun.wait(5)
        count.append(1)
        return object()

    lazy, found = Lazy(load), []
    threads = [threading.Thread(target=lambda: found.append(lazy.get())) for _ in range(5)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    assert len(count) == 1 and len(found) == 5 and len(set(map(id, found))) == 1


def test_a_package_that_is_not_there_is_told_and_our_own_is_an_error():
    def lacks(name: str):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    with pytest.raises(InputError, match="needs PyTorch"):
        Lazy(lambda: lacks("torch")).get()
    with pytest.raises(ModuleNotFoundError):
        Lazy(lambda: lacks("vqa.nothing")).get()
