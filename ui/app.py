"""Serve the app: on this machine, on the local network, or as a Space."""

import importlib.util
import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Sequence
from typing import Any

import ui.hosting.quick_import  # noqa: F401

# isort: split
import gradio as gr
from starlette.middleware import Middleware

from ui import STATIC
from ui.api.files import routes
from ui.batches import WAITING
from ui.hosting.chat import add_routes
from ui.hosting.guard import LOOPBACK, Guard, guard
from ui.hosting.window import open_window
from ui.models import Models
from ui.page import build_page
from vqa.data.collect import Collection
from vqa.model.errors import InputError
from vqa.script import reuse_memory

FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # nothing is fetched from a font server
MONO_FONTS = ("ui-monospace", "monospace")
MAX_FILE = "64mb"
SESSIONS = 64  # whose state gradio keeps, about 0.2 MB each; ours hold none, so that dropping one loses nothing
# The question box stands above a phone's keyboard; gradio's own header and its status of the page are never drawn.
HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<style>.nav-holder, .wrap.full.translucent:not(.block .wrap) { display: none !important }</style>
<link rel="stylesheet" href="glimpse/static/page.css">"""


def launch(
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    device: str = "auto",
    compare: Sequence[str] = (),
    auth: str | None = None,
    mcp: bool = False,
    window: bool = False,
    runtime: str = "auto",
    dtype: str = "auto",
    trust_remote_code: bool = False,
    root_path: str | None = None,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    collect: str | None = None,
) -> None:
    """Serve the app until Ctrl-C, or until its window is closed.

    compare: further models on offer; where only this machine can reach the page, any may be typed there.
    auth: 'name:password' that the page asks for. mcp: serve the API to MCP clients too. window: in a window of its own.
    root_path: where a reverse proxy serves the app, such as /glimpse. ssl_certfile, ssl_keyfile: for HTTPS.
    collect: a folder for the answers that people confirm or correct; only where no stranger can reach the page.
    Raises `InputError` for a model that cannot be read or an address that cannot be listened on.
    """
    if not 1 <= port <= 65535:
        raise InputError(f"The port is {port}; choose one from 1 to 65535.")
    if ":" in host:
        raise InputError(f"The app cannot listen on the IPv6 address {host}; use 127.0.0.1 or a name.")
    if root_path is not None and not root_path.startswith(("/", "http://", "https://")):
        raise InputError(f"The root path is {root_path!r}; give one that begins with /, such as /glimpse.")
    private = host in LOOPBACK and root_path is None and "SPACE_ID" not in os.environ
    if collect is not None and not (private or auth):
        raise InputError("--collect would let strangers write on this machine; add --auth NAME:PASSWORD.")
    reuse_memory()
    load: dict[str, Any] = {"dtype": dtype, "trust_remote_code": trust_remote_code}
    models = Models(model, device, compare, any_model=private, runtime=runtime, **load)
    page = build_page(models, None if collect is None else Collection(collect))
    https: dict[str, Any] = {"root_path": root_path, "ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile}
    address = open_page(page, host, port, credentials(auth), mcp, **https)
    add_routes(page.app, models, credentials(auth))
    try:
        print(f"Glimpse is open on {address} (Ctrl-C ends it); the model is loading.", flush=True)
        models.load()
        print("The model is loaded.", flush=True)
        threading.Thread(target=models.load_further, daemon=True).start()
        if not (window and open_window(address)):
            page.block_thread()
    finally:
        page.close(verbose=False)


def credentials(auth: str | None) -> tuple[str, str] | None:
    """'name:password' in two. Raises `InputError` for anything else."""
    if auth is None:
        return None
    name, _, password = auth.partition(":")
    if not name or not password:
        raise InputError("--auth is not NAME:PASSWORD; give both, such as --auth ann:secret.")
    return name, password


def reach_directly(host: str) -> None:
    """Let no proxy stand between this process and its own page, which gradio asks for when it starts."""
    direct = ",".join(dict.fromkeys([*urllib.request.getproxies().get("no", "").split(","), *LOOPBACK, "::1", host]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = direct.strip(",")


def check_certificate(ssl_certfile: str | None, ssl_keyfile: str | None) -> None:
    """Raise `InputError` if the two files are no certificate and its key."""
    if (ssl_certfile is None) != (ssl_keyfile is None):
        raise InputError("HTTPS needs both --ssl-certfile and --ssl-keyfile; give the other one, too.")
    if ssl_certfile is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(ssl_certfile, ssl_keyfile, password="")
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise InputError(f"{ssl_certfile} and {ssl_keyfile} are no certificate and its key ({error}).") from error


def open_page(
    page: gr.Blocks, host: str, port: int, auth: tuple[str, str] | None = None, mcp: bool = False, **https: Any
) -> str:
    """Serve the page, with nothing fetched from elsewhere, and return its address.

    https: `root_path`, `ssl_certfile` and `ssl_keyfile` as for `launch`. Raises `InputError` for an address that cannot
    be listened on, or a certificate that cannot be used.
    """
    reach_directly(host)
    check_certificate(https.get("ssl_certfile"), https.get("ssl_keyfile"))
    if mcp and importlib.util.find_spec("mcp") is None:
        raise InputError("The MCP server needs further packages; run: pip install 'glimpse-vqa[mcp]'.")
    guard(page)
    page.queue(max_size=WAITING, default_concurrency_limit=1)
    try:
        socket.create_server((host, port)).close()  # else uvicorn logs the error, and gradio waits five seconds
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            ssl_verify=False,  # gradio asks its own page, whose certificate may be self-signed
            **https,
            auth=auth,
            auth_message="Glimpse asks for a name and a password." if auth else None,
            mcp_server=mcp,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            enable_monitoring=False,
            ssr_mode=False,
            run_history=False,
            footer_links=["api"],  # without it there is no page about the API; the link itself is on the page About
            state_session_capacity=SESSIONS,
            app_kwargs={
                "routes": routes(),
                "middleware": [Middleware(Guard, host in LOOPBACK and not https.get("root_path"))],
            },
            max_file_size=MAX_FILE,
            pwa=True,
            favicon_path=STATIC / "icon-512.png",
            theme=gr.themes.Default(font=FONTS, font_mono=MONO_FONTS, primary_hue="orange", neutral_hue="slate"),
            head=HEAD,
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: of a name that is none
        raise InputError(f"The app cannot listen on {host}:{port}; choose another --port or --host.") from error
    return address
