"""A network between the receiver and PostgreSQL that can stop forwarding."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Relay:
    """Forwards TCP connections to a server's Unix socket while it is open."""

    database_url: str
    target: str
    is_open: threading.Event = field(default_factory=threading.Event)
    connections: set[socket.socket] = field(default_factory=set)

    def accept(self, listening: socket.socket) -> None:
        """Forward every connection until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        self.connections.add(source)
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.is_open.wait()
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.connections.discard(source)
        source.close()  # the other one is closed by the thread that reads it


@contextlib.contextmanager
def relayed(database_url: str) -> Iterator[Relay]:
    """A relay to the database, which is open at first."""
    given = conninfo_to_dict(database_url)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = make_conninfo(database_url, host="127.0.0.1", port=listening.getsockname()[1])
        relay = Relay(url, f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}")
        relay.is_open.set()
        threading.Thread(target=relay.accept, args=(listening,), daemon=True).start()
        try:
            yield relay
        finally:
            relay.is_open.set()
            listening.shutdown(socket.SHUT_RDWR)
            for connection in list(relay.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
