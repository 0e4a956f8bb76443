"""Ports for servers that do not choose a free one themselves."""

from __future__ import annotations

import random
import socket

# Below the range of which the system gives ports to clients, on Linux and macOS: one of the many connections of other
# tests cannot take the port before the server has started.
_FIRST, _LAST = 10_000, 32_767


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
    choose = random.SystemRandom().randint  # other processes of the test run must not choose the same
    while True:
        port = choose(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
