"""A SOCKS5 proxy (RFC 1928, no authentication, CONNECT only) that records what it connects to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class SocksProxy:
    """A running proxy, and the hosts and ports that clients asked for."""

    url: str
    connections: list[tuple[str, int]] = field(default_factory=list)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("the client hung up")
        data += part
    return data


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _serve(client: socket.socket, proxy: SocksProxy) -> None:
    with suppress(OSError), client:
        _, methods = _read(client, 2)
        _read(client, methods)
        client.sendall(b"\x05\x00")
        _, _, _, kind = _read(client, 4)
        host = socket.inet_ntoa(_read(client, 4)) if kind == 1 else _read(client, _read(client, 1)[0]).decode()
        (port,) = struct.unpack(">H", _read(client, 2))
        proxy.connections.append((host, port))
        with socket.create_connection((host, port)) as server:
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            thread = threading.Thread(target=_copy, args=(client, server), daemon=True)
            thread.start()
            _copy(server, client)


@contextmanager
def socks_proxy() -> Iterator[SocksProxy]:
    """Run a proxy on loopback until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = SocksProxy(f"socks5://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=_serve, args=(listener.accept()[0], proxy), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        listener.close()
