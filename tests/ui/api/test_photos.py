import hashlib

import pytest

from ui.api import photos as module
from ui.api.photos import Photos
from vqa.model.errors import InputError


def test_a_photo_is_named_by_its_hash():
    photos = Photos()
    name = photos.add(b"a")
    assert name == hashlib.sha256(b"a").hexdigest() == photos.add(b"a")
    assert photos.get(name) == b"a"
    photos.drop(name)
    photos.drop(name)
    for gone in (name, "", None, 7, ["a"]):
        with pytest.raises(InputError, match="was not uploaded"):
            photos.get(gone)


def test_strangers_cannot_find_out_who_sent_the_same_photo():
    first, second = Photos(secret=True), Photos(secret=True)
    assert len({first.add(b"a"), second.add(b"a"), hashlib.sha256(b"a").hexdigest()}) == 3
    assert first.add(b"a") == first.add(b"a")


def test_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(module, "MOST", 10)
    photos = Photos()
    first, second = photos.add(b"a" * 4), photos.add(b"b" * 4)
    photos.add(b"a" * 4)  # again, so it is no longer the oldest
    third = photos.add(b"c" * 4)
    assert [photos.get(name)[:1] for name in (first, third)] == [b"a", b"c"]
    with pytest.raises(InputError):
        photos.get(second)
