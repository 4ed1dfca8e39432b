import hashlib

from tests.data.refusal import refusal
from ui.api import photos as module
from ui.api.photos import Photos


def test_a_photo_is_named_by_its_hash():
    photos = Photos()
    name = photos.add(b"a")
    assert name == hashlib.sha256(b"a").hexdigest() == photos.add(b"a")
    assert photos.get(name) == b"a"
    for gone in ("", None, 7, ["a"], "0" * 64):
        assert "was not uploaded" in refusal(photos.get, gone)


def test_strangers_cannot_find_out_who_sent_the_same_photo():
    first, second = Photos(secret=True), Photos(secret=True)
    assert len({first.add(b"a"), second.add(b"a"), hashlib.sha256(b"a").hexdigest()}) == 3
    assert first.add(b"a") == first.add(b"a")


def test_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(module, "MOST", 10 + 2 * module.OWN)
    photos = Photos()
    first, second = photos.add(b"a" * 4), photos.add(b"b" * 4)
    photos.add(b"a" * 4)  # again, so it is no longer the oldest
    third = photos.add(b"c" * 4)
    assert [photos.get(name)[:1] for name in (first, third)] == [b"a", b"c"]
    assert refusal(photos.get, second)


def test_they_are_forgotten_an_hour_after_they_were_sent_last(monkeypatch):
    photos, now = Photos(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    first, second = photos.add(b"a"), photos.add(b"b")
    now[0] = 1800
    photos.add(b"a")
    now[0] = 3600
    photos.expire()
    assert photos.get(first) == b"a" and refusal(photos.get, second)
    now[0] = 5400
    photos.expire()
    assert refusal(photos.get, first) and photos._bytes == 0
