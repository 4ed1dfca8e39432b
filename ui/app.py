"""Serve the app: on this machine, on the local network, or as a Space."""

import importlib.util
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from ui import STATIC
from ui.api.calls import LARGEST_PHOTO, Calls, Photos
from ui.api.files import routes
from ui.api.functions import functions
from ui.hosting.chat import chat_routes
from ui.hosting.front import Front
from ui.hosting.guard import LOOPBACK, Guard
from ui.hosting.window import open_window
from ui.models import STEPS, WAITING, Models, importing
from vqa.model.errors import InputError
from vqa.script import reuse_memory

if TYPE_CHECKING:
    import gradio as gr

    from vqa.data.collect import Collection

FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # nothing is fetched from a font server
MONO_FONTS = ("ui-monospace", "monospace")
SESSIONS = 64  # whose state gradio keeps, about 0.2 MB each; ours hold none, so that dropping one loses nothing
# Of the pages Learn and About: gradio's own header and its status of the page are never drawn.
HEAD = """<style>.nav-holder, .wrap.full.translucent:not(.block .wrap) { display: none !important }</style>
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
    if ":" in host or not host:
        address = f"the IPv6 address {host}" if host else "no address"
        raise InputError(f"The app cannot listen on {address}; use 127.0.0.1 or a name.")
    if root_path is not None and not root_path.startswith(("/", "http://", "https://")):
        raise InputError(f"The root path is {root_path!r}; give one that begins with /, such as /glimpse.")
    private = host in LOOPBACK and root_path is None and "SPACE_ID" not in os.environ
    if collect is not None and not (private or auth):
        raise InputError("--collect would let strangers write on this machine; add --auth NAME:PASSWORD.")
    if mcp and importlib.util.find_spec("mcp") is None:
        raise InputError("The MCP server needs further packages; run: pip install 'glimpse-vqa[mcp]'.")
    reuse_memory()
    load: dict[str, Any] = {"runtime": runtime, "dtype": dtype, "trust_remote_code": trust_remote_code}
    models = Models(model, device, compare, any_model=private, **load)
    https = {"ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile}

    def load_first(address: str) -> None:
        print(f"Glimpse is open on {address} (Ctrl-C ends it); the model is loading.", flush=True)
        models.load()
        models.loading = STEPS[1]  # which comes after gradio

    with serving(
        models, host, port, open_collection(collect), credentials(auth), mcp, root_path, before=load_first, **https
    ) as front:
        print("The model is loaded.", flush=True)
        threading.Thread(target=models.load_further, daemon=True).start()
        if not (window and open_window(front.address)):
            front.wait()


@contextmanager
def serving(
    models: Models,
    host: str = "127.0.0.1",
    port: int = 7860,
    collection: "Collection | None" = None,
    login: tuple[str, str] | None = None,
    mcp: bool = False,
    root_path: str | None = None,
    before: Callable[[str], object] | None = None,
    **https: str | None,
) -> Iterator[Front]:
    """The app, open, with nothing fetched from elsewhere; it is closed at the end of the `with` block.

    before: called with the address when the page is open, before gradio, which takes seconds. https: `ssl_certfile` and
    `ssl_keyfile`. Further arguments as for `launch`. Raises `InputError` as `Front`, and whatever `before` raises.
    """
    local = host in LOOPBACK and not root_path
    known = functions(models, collection)
    calls = Calls(known, models, Photos(secret=not local))
    paths = [*routes(models, collection is not None, calls.routes()), *chat_routes(models, login)]
    front = Front(host, port, paths, login is not None, local, root_path, **https)
    try:
        if before is not None:
            before(front.address)
        with importing:
            from ui.page import build_page

            serve(front, build_page(models, known), login, mcp, root_path, local)
        yield front
    finally:
        front.close()


def open_collection(folder: str | None) -> "Collection | None":
    """The answers that people confirm or correct. Raises `InputError` for a folder that cannot hold them."""
    if folder is None:
        return None
    from vqa.data.collect import Collection  # imports packages that few need

    return Collection(folder)


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


def serve(
    front: Front, page: "gr.Blocks", login: tuple[str, str] | None, mcp: bool, root_path: str | None, local: bool
) -> None:
    """Let gradio answer what the page's own routes are not for; see `serving`."""
    import gradio as gr
    from gradio import http_server
    from starlette.middleware import Middleware

    from ui.hosting.inputs import guard

    reach_directly(front.host)
    guard(page)
    page.queue(max_size=WAITING, default_concurrency_limit=1)
    with patch.object(http_server, "start_server", front.serve):
        page.launch(
            ssl_verify=False,  # gradio asks its own page, whose certificate may be self-signed
            root_path=root_path,
            auth=login,
            auth_message="Glimpse asks for a name and a password." if login else None,
            mcp_server=mcp,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            enable_monitoring=False,
            ssr_mode=False,
            run_history=False,
            footer_links=["api"],  # without it there is no page about the API; the link itself is on the page About
            state_session_capacity=SESSIONS,
            app_kwargs={"middleware": [Middleware(Guard, local)]},
            max_file_size=LARGEST_PHOTO,
            pwa=True,
            favicon_path=STATIC / "icon-512.png",
            theme=gr.themes.Default(font=FONTS, font_mono=MONO_FONTS, primary_hue="orange", neutral_hue="slate"),
            head=HEAD,
        )
