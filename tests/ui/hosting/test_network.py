"""The app in networks as companies have them: proxies, sub-paths, HTTPS."""

import contextlib
import datetime
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gradio_client import Client, handle_file
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.data.refusal import refusal
from tests.ui.conftest import free_port
from ui import app
from ui.hosting.front import check_certificate

HEADERS = ("content-type", "cookie", "accept", "x-gradio-user")


def test_the_app_does_not_ask_a_proxy_for_its_own_page(models, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")  # where nothing listens
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.setenv("no_proxy", "intranet.example")
    with app.serving(models, port=free_port()) as front:
        assert httpx.get(f"{front.address}config").status_code == 200
    assert "intranet.example" in app.os.environ["no_proxy"]


@contextlib.contextmanager
def reverse_proxy(target: str, prefix: str) -> Iterator[str]:
    """Serves `target` below `prefix`, as nginx does by `location /prefix/ { proxy_pass target; }`."""

    async def forward(request: Request) -> Response:
        headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
        headers |= {"x-forwarded-host": request.headers["host"], "x-forwarded-proto": "http"}
        url = httpx.URL(target).join(request.path_params["rest"]).copy_with(query=request.url.query.encode())
        answer = await client.request(request.method, url, headers=headers, content=await request.body())
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    client = httpx.AsyncClient(trust_env=False, timeout=60)
    port = free_port()
    routes = [Route(f"{prefix}/{{rest:path}}", forward, methods=["GET", "POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        pass
    yield f"http://127.0.0.1:{port}{prefix}/"
    server.should_exit = server.force_exit = True
    thread.join(5)


def test_behind_a_reverse_proxy_at_a_sub_path(models, photo):
    inside = app.serving(models, port=free_port(), root_path="/glimpse")
    with inside as front, reverse_proxy(front.address, "/glimpse") as outside:
        page = httpx.get(f"{outside}learn", timeout=60)
        assert page.status_code == 200 and f'"root":"{outside.rstrip("/")}"' in page.text
        assert "glimpse/static/start.js" in httpx.get(outside).text
        assert httpx.get(f"{outside}glimpse/static/main.js").status_code == 200
        assert httpx.post(f"{outside}glimpse/call/status", json={"data": []}).json()["result"]["of"] == 4
        client = Client(outside, verbose=False, analytics_enabled=False)
        answer = client.predict(handle_file(str(photo)), "what is on the table?", api_name="/ask")
        assert answer["answer"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(36500))
    signed = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(signed.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def test_https(models, certificate):
    with app.serving(models, port=free_port(), ssl_certfile=certificate[0], ssl_keyfile=certificate[1]) as front:
        assert front.address.startswith("https://")
        assert httpx.get(f"{front.address}config", verify=False).status_code == 200
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            httpx.get(f"{front.address}config", verify=ssl.create_default_context())


def test_a_certificate_that_cannot_be_used_is_reported(certificate, tmp_path):
    assert "needs both" in refusal(check_certificate, certificate[0], None)
    assert "no certificate and its key" in refusal(check_certificate, certificate[1], certificate[0])
    assert "No such file" in refusal(check_certificate, str(tmp_path / "none"), certificate[1])
