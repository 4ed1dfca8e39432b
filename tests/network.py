"""Commands that reach no other machine: who looks one up or connects to it fails."""

import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest

LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"}
hooked: list[bool] = []


def is_here(host: Any) -> bool:
    """Whether a host, or a socket's address, is this machine, any of its interfaces, or no host of a network."""
    if isinstance(host, tuple):
        host = host[0] if host else ""
    if not isinstance(host, str | bytes):  # None: this machine
        return host is None
    name = host.decode(errors="replace") if isinstance(host, bytes) else host
    if name in ("", "localhost", "testserver") or name.startswith(("/", "\0")):  # the last two: Unix sockets
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


forbidden = False


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if forbidden and event in LOOKUPS:
        host = arguments[0] if event.startswith("socket.get") else arguments[1]
        if not is_here(host):
            raise PermissionError(f"a test asks for {host!r}, which is another machine")


@pytest.fixture(scope="module")
def no_network() -> Iterator[None]:
    """Another machine is neither looked up nor connected to by this process, which no code can work around."""
    global forbidden
    if not hooked:
        sys.addaudithook(refuse)  # which cannot be removed
        hooked.append(True)
    forbidden = True
    yield
    forbidden = False
