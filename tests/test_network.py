"""The guard of `tests.network`, over whole commands in the tests of `vqa train` and `vqa evaluate`."""

import socket

import pytest


def test_another_machine_is_out_of_reach(no_network: None) -> None:
    for ask in (lambda: socket.getaddrinfo("example.org", 80), lambda: socket.socket().connect(("192.0.2.1", 80))):
        with pytest.raises(PermissionError, match="another machine"):
            ask()
    assert socket.getaddrinfo("localhost", 80)
