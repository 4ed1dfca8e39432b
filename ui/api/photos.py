"""The photos that people have sent to the page, in memory alone, for an hour."""

import hashlib
import secrets
import threading
import time

from vqa.model.errors import InputError

KEPT = 3600  # seconds
MOST = 256 << 20  # bytes of all photos; the oldest go first
LARGEST = 64 << 20  # bytes of a photo
OWN = 1000  # bytes that an entry takes beside the photo


class Photos:
    """Photos by the hash of their content.

    secret: give the same photo another hash in each process, so that no stranger can find out who else sent it.
    """

    def __init__(self, secret: bool = False):
        self._seed = secrets.token_bytes(16) if secret else b""
        self._photos: dict[str, tuple[float, bytes]] = {}  # by time
        self._lock, self._bytes = threading.Lock(), 0

    def add(self, content: bytes) -> str:
        """Store a photo and return its hash, 64 characters."""
        name = hashlib.sha256(self._seed + content).hexdigest()
        with self._lock:
            self._drop(name)
            self._photos[name] = time.monotonic(), content
            self._bytes += len(content) + OWN
            while self._bytes > MOST:
                self._drop(next(iter(self._photos)))
        return name

    def get(self, name: object) -> bytes:
        """The photo with this hash. Raises `InputError` if there is none."""
        with self._lock:
            found = self._photos.get(name) if isinstance(name, str) else None
        if found is None:
            raise InputError("The photo was not uploaded; upload it first.")
        return found[1]

    def expire(self) -> None:
        """Forget what was sent longer ago than an hour."""
        with self._lock:
            while self._photos and next(iter(self._photos.values()))[0] <= time.monotonic() - KEPT:
                self._drop(next(iter(self._photos)))

    def _drop(self, name: str) -> None:
        if found := self._photos.pop(name, None):
            self._bytes -= len(found[1]) + OWN
