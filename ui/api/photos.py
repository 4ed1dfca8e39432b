"""The photos that people have sent to the page, in memory alone, for an hour."""

import hashlib
import secrets
import threading
from collections import OrderedDict

from vqa.model.errors import InputError

KEPT = 3600  # seconds
MOST = 256 << 20  # bytes of all photos; the oldest go first
LARGEST = 64 << 20  # bytes of a photo


class Photos:
    """Photos by the hash of their content.

    secret: give the same photo another hash in each process, so that no stranger can find out who else sent it.
    """

    def __init__(self, secret: bool = False):
        self._seed = secrets.token_bytes(16) if secret else b""
        self._photos: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, content: bytes) -> str:
        """Store a photo and return its hash, 64 characters."""
        name = hashlib.sha256(self._seed + content).hexdigest()
        with self._lock:
            self._photos[name] = content
            self._photos.move_to_end(name)
            while sum(map(len, self._photos.values())) > MOST:
                self._photos.popitem(last=False)
        return name

    def get(self, name: object) -> bytes:
        """The photo with this hash. Raises `InputError` if there is none."""
        with self._lock:
            content = self._photos.get(name) if isinstance(name, str) else None
        if content is None:
            raise InputError("The photo was not uploaded; upload it first.")
        return content

    def drop(self, name: str) -> None:
        """Forget a photo."""
        with self._lock:
            self._photos.pop(name, None)
