"""A model behind an OpenAI-style server, asked over HTTP by `/chat/completions`."""

import asyncio
import base64
import hashlib
import io
import json
import math
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from vqa.data.files import file_errors
from vqa.foreign import Refused
from vqa.foreign.calibration import cache_folder
from vqa.foreign.prompts import SHORT
from vqa.model.errors import InputError, printable
from vqa.model.photos import open_photo, shrink_to_show
from vqa.model.text import SURE, Answer, Score, check_question

KEY = "OPENAI_API_KEY"  # the environment variable with the server's key
RETRIES = 4  # after the first try
LONGEST_WAIT = 30.0  # seconds before a retry
AT_ONCE = 4  # requests
SECONDS = 120.0  # for a request, from the connection to the last byte of its answer
BYTES = 1 << 22  # of an answer, at most
TOKENS = 32


class ServedVQA:
    """A model on a server with the methods of `vqa.predict.VQALike`.

    url: such as http://127.0.0.1:8000/v1; model: its name there. Answers are cached by content, so that nothing is
    asked twice. The photo is sent as PNG, at most 1,024 pixels a side. Confidence and attention are known if the server
    returns log-probabilities or, as that of `vqa ui` does, the object `glimpse`.

    Raises `InputError` for an address that is none, and when asked, if the server still fails after `RETRIES` retries.
    """

    kind: str | None = "api"
    answers = None
    runtime, device, dtype = "api", "server", "unknown"
    folder, load_seconds = Path(), 0.0
    sleep = staticmethod(asyncio.sleep)

    def __init__(self, url: str, model: str):
        self.url, self.name = completions(url), printable(model.encode(errors="replace").decode())
        key = os.environ.get(KEY, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(f"{KEY} holds characters that no key has; set it to the server's key alone.")
        try:
            headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
            self._client = httpx.AsyncClient(headers=headers, timeout=None)
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:  # of the environment
            reason = f"{error!s:.100}".rstrip(".")
            variables = "HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE"
            raise InputError(f"No connection can be prepared ({reason}); check the variables {variables}.") from error
        digest = hashlib.blake2b(f"{self.url} {self.name}".encode(), digest_size=8).hexdigest()
        path = cache_folder() / "api" / f"{digest}.sqlite"
        with file_errors(f"{path} cannot be written", "set XDG_CACHE_HOME to another folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._cache = sqlite3.connect(path, check_same_thread=False)
            self._cache.execute("CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, content TEXT)")
        except sqlite3.Error as error:
            raise InputError(f"{path} cannot be used ({error}); delete it.") from error
        # Only asyncio limits the whole time of a request. A loop of its own works within another (Jupyter's), too.
        self._loop, self._turn = asyncio.new_event_loop(), asyncio.Semaphore(AT_ONCE)
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def look(self, photo: Any) -> Image.Image:
        return shrink_to_show(open_photo(photo).copy())

    def check(self, question: str) -> str:
        check_question(question)
        return ""

    def ask(self, photo: Any, question: str, top: int = 5) -> Answer:
        return self.ask_many(photo, [question], top)[0]

    def ask_many(self, photo: Any, questions: Sequence[str], top: int = 5, blind: bool = True) -> list[Answer]:
        """See `VQA.ask_many`; `top` and `blind` change nothing. Raises `Refused` if the server refuses a question."""
        buffer = io.BytesIO()
        self.look(photo).save(buffer, "PNG")
        address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
        bodies = [self._body(address, check_question(question)) for question in questions]
        keys = [hashlib.blake2b(json.dumps(body).encode(), digest_size=16).hexdigest() for body in bodies]
        known = {key: row[0] for key in keys if (row := self._cached(key)) is not None}
        new = {key: body for key, body in zip(keys, bodies, strict=True) if key not in known}
        asked = {key: asyncio.run_coroutine_threadsafe(self._request(body), self._loop) for key, body in new.items()}
        try:
            for key, future in asked.items():
                known[key] = json.dumps(future.result())
                with self._cache as database:
                    database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, known[key]))
        finally:
            for future in asked.values():
                future.cancel()
        return [self._answer(json.loads(known[key])) for key in keys]

    def ask_without(self, questions: Sequence[str]) -> list[Score | None]:
        """See `ForeignVQA.ask_without`."""
        return [None] * len(questions)

    def square(self, photo: Any) -> np.ndarray:
        return np.asarray(self.look(photo))

    def scores(self, photo: Any, question: str, answers: Sequence[str]) -> list[float]:
        """The server scores no given answers: those that it gives have their confidence, others 0."""
        given = {score.answer: score.score for score in self.ask(photo, question).top}
        return [given.get(answer, 0.0) for answer in answers]

    def _cached(self, key: str) -> Any:
        return self._cache.execute("SELECT content FROM answers WHERE request = ?", (key,)).fetchone()

    def _body(self, address: str, question: str) -> dict[str, Any]:
        text = {"type": "text", "text": SHORT.format(question=question.strip())}
        content = [{"type": "image_url", "image_url": {"url": address}}, text]
        settings = {"temperature": 0, "max_tokens": TOKENS, "logprobs": True, "seed": 0}
        return {"model": self.name, "messages": [{"role": "user", "content": content}], **settings}

    async def _request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The parts of an answer that are kept. Retries what may pass: no connection, 429, and from 500 on."""
        reason = ""
        for tries in range(RETRIES + 1):
            wait = 2.0**tries
            try:
                status, headers, content = await self._post(body)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
            except TimeoutError:
                reason = f"no whole answer within {SECONDS:g} seconds"
            else:
                if status == 200:
                    return self._content(content)
                reason = f"status {status}: {said(status, content)}"
                if status in (400, 422):
                    raise Refused(f"The server refuses the question ({reason}); ask it otherwise.")
                if status < 500 and status not in (408, 409, 429):
                    raise InputError(f"The server {self.url} refuses ({reason}); check the model's name and {KEY}.")
                with_wait = headers.get("retry-after", "")
                wait = float(with_wait) if with_wait.isdecimal() else wait
            if tries < RETRIES:
                await self.sleep(min(wait, LONGEST_WAIT))
        message = f"The server {self.url} failed {RETRIES + 1} times ({reason})"
        raise InputError(f"{message}; run the same command again to continue.")

    async def _post(self, body: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and content of the answer. Raises `TimeoutError`, and `InputError` for one without an end."""
        content = bytearray()
        async with self._turn, asyncio.timeout(SECONDS), self._client.stream("POST", self.url, json=body) as response:
            async for part in response.aiter_raw():  # not decompressed, which could be a thousand times as long
                content += part
                if len(content) > BYTES:
                    raise InputError(
                        f"The server {self.url} answers with more than {BYTES:,} bytes; check the address."
                    )
        return response.status_code, response.headers, bytes(content)

    def _content(self, response: bytes) -> dict[str, Any]:
        try:
            content = json.loads(response)
            choice = content["choices"][0]
            text = message_text(choice["message"]["content"])
            tokens = (choice.get("logprobs") or {}).get("content") or []
            values = [float(token["logprob"]) for token in tokens]
            kept = {"text": printable(text), "logprobs": values, "glimpse": content.get("glimpse")}
            self._answer(kept)  # so that nothing is cached that cannot be read
        except Refused:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise InputError(f"The server {self.url} answers with no chat completion; check the address.") from error
        return kept

    def _answer(self, content: dict[str, Any]) -> Answer:
        ours = content["glimpse"] or {}
        text, values = " ".join(content["text"].split()).rstrip("."), content["logprobs"]
        mean = sum(values) / len(values) if values else math.nan
        confidence = float(ours.get("confidence", math.exp(min(mean, 0.0))))
        if not (0 <= confidence <= 1 or "confidence" not in ours):
            raise ValueError(f"a confidence of {confidence}")
        attention = ours.get("attention")
        if attention is None:
            maps = np.full((1, 1, 1), 1.0)
        else:
            maps = np.array(attention["maps"], float).reshape(-1, attention["height"], attention["width"])
            if not (maps.size and np.isfinite(maps).all() and maps.min() >= 0 and maps.max() > 0):
                raise ValueError("attention that is none")
        without, mattered = ours.get("blind"), ours.get("photo_mattered")
        return Answer(
            text=text,
            confidence=confidence,
            top=[Score(text, confidence)],
            attention=maps,
            words=[],
            unknown_words=[],
            blind=None if without is None else Score(str(without["answer"]), float(without["score"])),
            photo_mattered=None if mattered is None else float(mattered),
            sure=bool(ours.get("sure", confidence >= SURE)),
            glimpse=None,
            seconds={},
            model=self.name,
        )

    def weights_hash(self) -> str:
        return hashlib.blake2b(f"{self.url} {self.name}".encode(), digest_size=16).hexdigest()

    def extra(self, name: str, kind: Any = dict) -> Any:
        return None

    def fast(self) -> AbstractContextManager[None]:
        return nullcontext()


def completions(url: str) -> str:
    """The address of `/chat/completions`. Raises `InputError` for one that is no server's."""
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
        valid = parsed.scheme in ("http", "https") and parsed.host and " " not in url and (parsed.port or 1) < 1 << 16
    except (httpx.InvalidURL, UnicodeError):
        valid = False
    if not valid:
        raise InputError(f"The address {url:.100} is none of a server; give one such as http://127.0.0.1:8000/v1.")
    if parsed.userinfo:
        raise InputError(f"The address of the server {parsed.host} holds a password; set {KEY} instead.")
    path = parsed.path.rstrip("/").removesuffix("/chat/completions")
    return str(parsed.copy_with(path=f"{path}/chat/completions", fragment=None))


def message_text(content: Any) -> str:
    """The text of a message: a string, parts of type text, or null. Raises `Refused` for anything else."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    if len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
        raise Refused(f"The server's answer is no text but {json.dumps(content):.60}; ask the question otherwise.")
    return "".join(map(str, texts))


def said(status: int, content: bytes) -> str:
    """The message of an error, short, on one line and without the key."""
    try:
        message = json.loads(content)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = httpx.codes.get_reason_phrase(status)
    key = os.environ.get(KEY, "").strip()
    message = str(message).replace(key, "***") if key else str(message)
    return " ".join(message.split())[:120].rstrip(".")
