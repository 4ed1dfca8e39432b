"""What the page asks for, by plain HTTP and without gradio: it sends a photo once, and calls functions about it."""

import asyncio
import hashlib
import inspect
import json
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, get_args, get_origin

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from ui.api.functions import Function
from ui.api.payload import BROKEN, refusal
from ui.hosting.guard import Private
from ui.models import STEPS, WAITING, Models
from vqa.model.errors import InputError

UNREADABLE = "The values of this call do not have the number or the types that it takes."
BUSY = "Too many questions are waiting on this server; ask again in a moment."
LARGE = 1e18  # a number between it and its negative is neither infinite nor no number
SURROGATES = re.compile("[\ud800-\udfff]")  # halves of a character, which cannot be sent back
Handler = Callable[[Request], Awaitable[Response]]
PHOTO_SECONDS = 3600  # that a photo is in memory
ALL_PHOTOS = 256 << 20  # bytes; the oldest photos go first
LARGEST_PHOTO = 64 << 20  # bytes
BESIDE = 1000  # bytes that an entry takes beside its photo
IN_MEMORY = 1 << 20  # bytes of an upload that is not complete
PHOTO_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


class Photos:
    """The photos that people have sent to the page, by the hash of their content: in memory alone, for an hour.

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
            self._bytes += len(content) + BESIDE
            while self._bytes > ALL_PHOTOS:
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
            while self._photos and next(iter(self._photos.values()))[0] <= time.monotonic() - PHOTO_SECONDS:
                self._drop(next(iter(self._photos)))

    def _drop(self, name: str) -> None:
        if found := self._photos.pop(name, None):
            self._bytes -= len(found[1]) + BESIDE


class Calls:
    """The routes below /glimpse. A page of another site may not send the types of their bodies (CORS)."""

    def __init__(self, functions: list[Function], models: Models, photos: Photos):
        self._functions = {function.run.__name__: function for function in functions}
        self._models, self._photos = models, photos
        self._turns = {function.turn: anyio.CapacityLimiter(function.at_once) for function in functions}

    def routes(self) -> list[BaseRoute]:
        paths: dict[str, Handler] = {"/upload": self._upload, "/call/status": self._status, "/call/{name}": self._call}
        posts = [Private(path, answered(handler, _failed), methods=["POST"]) for path, handler in paths.items()]
        return [*posts, Private("/photos/{name}", answered(self._photo, _failed))]

    async def _status(self, request: Request) -> Response:
        """What is being loaded, '' when nothing is, how far that is, and how many questions are waiting."""
        name = self._models.loading
        waiting = self._models.batches.waiting
        waiting += sum(turn.statistics().tasks_waiting for turn in self._turns.values())
        done = STEPS.index(name) if name else len(STEPS)
        return JSONResponse({"result": {"loading": name, "done": done, "of": len(STEPS), "waiting": waiting}})

    async def _upload(self, request: Request) -> Response:
        """Store a photo; the result is its hash."""
        _check_type(request, "application/octet-stream")
        size = 0
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:  # so that slow uploads take no memory from others
            async for chunk in request.stream():  # to its end, as a client reads the answer when it has sent everything
                size += len(chunk)
                if size <= LARGEST_PHOTO:
                    file.write(chunk)
            if size > LARGEST_PHOTO:
                return _failed("The file is too large; choose one of at most 64 MB.", 413)
            file.seek(0)
            name = await anyio.to_thread.run_sync(lambda: self._photos.add(file.read()))
        asyncio.get_running_loop().call_later(PHOTO_SECONDS + 1, self._photos.expire)
        return JSONResponse({"result": name})

    async def _photo(self, request: Request) -> Response:
        """A photo, for whoever knows its hash: by a shared link."""
        try:
            content = self._photos.get(request.path_params["name"])
        except InputError:
            return _failed("The photo of this link is no longer on this server; choose it again.", 404)
        return Response(content, media_type="application/octet-stream", headers=PHOTO_HEADERS)

    async def _call(self, request: Request) -> Response:
        """Call a function with `{"photo": its hash, "data": [further values]}`."""
        _check_type(request, "application/json")
        function = self._functions.get(request.path_params["name"])
        if function is None:
            return _failed("There is no such function.", 404)
        values = _read(await request.body(), function.run, self._photos)
        turn = self._turns[function.turn]
        if turn.statistics().tasks_waiting >= WAITING:
            return _failed(BUSY, 503)
        result = await anyio.to_thread.run_sync(partial(function.run, *values), limiter=turn)
        return JSONResponse({"result": result})


def answered(handler: Handler, failed: Callable[[str, int], Response]) -> Handler:
    """The handler of a route, whose errors become `failed(sentence, status)`; a client that has left needs none."""

    async def respond(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except Exception as error:
            sentence = refusal(error)
            return failed(sentence, 500 if sentence == BROKEN else 400)

    return respond


def _failed(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status)


def _check_type(request: Request, media_type: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise InputError(f"The body of this request is {media_type}; name that as its Content-Type.")


def _read(body: bytes, function: Callable[..., Any], photos: Photos) -> list[Any]:
    """The values for a function in the body of a call. Raises `InputError` for ones that it does not take."""
    signature = inspect.signature(function)
    about = "photo" in signature.parameters
    try:
        sent = json.loads(body)
        values = [sent.get("photo")] * about + sent["data"]  # a TypeError if that is no list
        named = signature.bind(*values).arguments
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(UNREADABLE) from error
    if about:
        named["photo"] = photos.get(named["photo"])
    if not all(_fits(value, signature.parameters[name].annotation) for name, value in named.items()):
        raise InputError(UNREADABLE)
    return list(named.values())


def _fits(value: Any, wanted: Any) -> bool:
    if get_origin(wanted) is list:
        return isinstance(value, list) and all(_fits(one, get_args(wanted)[0]) for one in value)
    if wanted in (int, float):
        number = isinstance(value, int | float) and not isinstance(value, bool) and -LARGE < value < LARGE
        return number and (wanted is float or value % 1 == 0)
    if wanted is str:
        return isinstance(value, str) and not SURROGATES.search(value)
    return isinstance(value, wanted)
