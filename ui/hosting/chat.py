"""The routes that other tools know: OpenAI's `/v1/chat/completions` and `/v1/models`, and `/healthz`.

A request has a photo as a `data:` address and a question; nothing is fetched from other machines. The answer is the
message, and the whole `Answer`, heat included, is in the further field `glimpse`.
"""

import base64
import json
import secrets
import time
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from ui.api.calls import Handler, answered
from ui.api.payload import BROKEN
from ui.models import TOGETHER, WAITING, Models
from vqa.harnesses import plain_question
from vqa.model.errors import InputError


def chat_routes(models: Models, auth: tuple[str, str] | None = None) -> list[BaseRoute]:
    """The routes. auth: name and password, of which the password is the API key."""

    limiter = anyio.CapacityLimiter(TOGETHER)  # threads of their own: those of the page stay free

    def queued() -> int:
        return models.batches.waiting + limiter.statistics().tasks_waiting

    async def health(request: Request) -> Response:
        status = "ok" if models.loaded else "loading"
        body = {"status": status, "model": models.own, "waiting": queued()}
        return JSONResponse(body, 200 if models.loaded else 503)

    async def offered(request: Request) -> Response:
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "glimpse"} for name in models.offered]
        return JSONResponse({"object": "list", "data": rows})

    async def complete(request: Request) -> Response:
        body = await request.body()
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError("The request is no JSON; send it as application/json.") from error
        photo, question = read_messages(asked)
        wanted = asked.get("model")
        if (waiting := queued()) >= WAITING:
            return failed(f"{waiting} questions are waiting on this server; ask again in a moment.", 503)
        name = wanted if wanted in models.offered else None
        (answer,) = await anyio.to_thread.run_sync(models.ask, photo, [question], name, limiter=limiter)
        made = completion(answer.to_dict())
        if not asked.get("stream"):
            return JSONResponse(made)
        choice = {"index": 0, "delta": made["choices"][0]["message"], "finish_reason": "stop"}
        chunk = json.dumps(made | {"object": "chat.completion.chunk", "choices": [choice]})
        return StreamingResponse(iter([f"data: {chunk}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream")

    def checked(handler: Handler) -> Handler:
        async def respond(request: Request) -> Response:
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
            if auth is not None and not secrets.compare_digest(key.encode(), auth[1].encode()):
                return failed("The API key is wrong; give the password of --auth.", 401)
            return await answered(handler, failed)(request)

        return respond

    return [
        Route("/healthz", health),
        Route("/v1/models", checked(offered)),
        Route("/v1/chat/completions", checked(complete), methods=["POST"]),
    ]


def read_messages(asked: Any) -> tuple[bytes, str]:
    """The last photo and the last question of a request's messages. Raises `InputError` if one is missing."""
    messages = asked.get("messages") if isinstance(asked, dict) else None
    if not isinstance(messages, list):
        raise InputError("The request has no list 'messages'; send a photo and a question in one.")
    parts: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            content = [{"type": "text", "text": content}] if isinstance(content, str) else content
            parts += content if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    addresses = [part["image_url"] for part in parts if isinstance(part, dict) and "image_url" in part]
    address = addresses[-1] if addresses else None
    address = address.get("url") if isinstance(address, dict) else address
    if not texts or not isinstance(address, str):
        raise InputError("The messages have no photo and question; send parts of the types image_url and text.")
    head, _, data = address.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        raise InputError("The photo is no data: address in base64; nothing is fetched from other machines.")
    try:
        return base64.b64decode(data, validate=True), plain_question(texts[-1])
    except ValueError as error:  # binascii.Error, too
        raise InputError(f"The photo is not in base64 ({error}); encode it again.") from error


def completion(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as OpenAI's object `chat.completion`; tokens are not counted."""
    message = {"role": "assistant", "content": answer["answer"]}
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "glimpse": answer,
    }


def failed(message: str, status: int) -> Response:
    kind = "server_error" if message == BROKEN else "invalid_request_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status)
