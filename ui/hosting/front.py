"""The server of the app: the page is open at once; what gradio answers waits for gradio, which takes seconds."""

import asyncio
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.hosting.guard import Folder, Guard, Page, logged_in
from vqa.model.errors import InputError


class Front:
    """Listens from its creation on, and answers what its own routes are for; all else waits for `serve`.

    login: a password is asked for, by gradio's page. local, root_path: see `Guard` and `ui.app.launch`.
    Raises `InputError` for an address that cannot be listened on, or a certificate that cannot be used.
    """

    def __init__(
        self,
        host: str,
        port: int,
        routes: list[BaseRoute],
        login: bool = False,
        local: bool = False,
        root_path: str | None = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
    ):
        check_certificate(ssl_certfile, ssl_keyfile)
        try:
            self._socket = socket.create_server((host, port))
        except (OSError, UnicodeError) as error:  # UnicodeError: of a name that is none
            raise InputError(f"The app cannot listen on {host}:{port}; choose another --port or --host.") from error
        self.host, self.port = host, port
        self.address = f"http{'s' if ssl_certfile else ''}://{'localhost' if host == '0.0.0.0' else host}:{port}/"
        self.app: Any = None  # gradio's, when it is there
        self._login, self._routes, self._root = login, routes, root_path or ""
        self._own: ASGIApp = Starlette(routes=routes, middleware=[Middleware(GZipMiddleware), Middleware(Guard, local)])
        self._life: Future[None] | None = None  # of gradio's app, from its start to its end
        self._complete, self._closed = asyncio.Event(), asyncio.Event()
        https: dict[str, Any] = {"ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile}
        options: dict[str, Any] = {"log_level": "warning", "lifespan": "off", "interface": "asgi3", **https}
        options["timeout_graceful_shutdown"] = 1  # seconds
        self._server = uvicorn.Server(uvicorn.Config(self._answer, **options))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(1e-3)

    def serve(self, app: Any, **_: Any) -> tuple[str, int, str, "Front"]:
        """Answer by this app what the routes are not for: in place of gradio's `start_server`, with its results."""
        started: Future[None] = Future()

        async def live() -> None:
            try:
                async with app.router.lifespan_context(app):
                    self.app = app
                    self._complete.set()
                    started.set_result(None)
                    await self._closed.wait()
            except Exception as error:
                started.set_exception(error)

        self._life = asyncio.run_coroutine_threadsafe(live(), self._loop)
        started.result()
        return self.host, self.port, self.address, self

    def wait(self) -> None:
        """Until Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self._thread.join()

    def close(self) -> None:
        """End the server; who still waits for gradio is refused."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._complete.set)
            self._server.should_exit = True
            self._thread.join(timeout=5)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = {**scope, "root_path": self._root}
        route = next((route for route in self._routes if route.matches(ours)[0] is Match.FULL), None)
        if route is None or (self._login and isinstance(route, Page | Folder)):
            await self._complete.wait()
        ours["logged_in"] = not self._login or (self.app is not None and logged_in(self.app, scope))
        if route is not None and (ours["logged_in"] or not isinstance(route, Page) or route.path != "/"):
            return await self._own(ours, receive, send)
        await (self.app or JSONResponse({"error": "The app is ending."}, 503))(scope, receive, send)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._socket])
        self._closed.set()
        if self._life is not None:
            await asyncio.wait([asyncio.wrap_future(self._life)], timeout=1)


def check_certificate(ssl_certfile: str | None, ssl_keyfile: str | None) -> None:
    """Raise `InputError` if the two files are no certificate and its key."""
    if (ssl_certfile is None) != (ssl_keyfile is None):
        raise InputError("HTTPS needs both --ssl-certfile and --ssl-keyfile; give the other one, too.")
    if ssl_certfile is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(ssl_certfile, ssl_keyfile, password="")
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise InputError(f"{ssl_certfile} and {ssl_keyfile} are no certificate and its key ({error}).") from error
