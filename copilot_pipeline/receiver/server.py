"""The receiver as a process: its socket, its server, its end."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.receiver.header_timeout import protocol_with

STOP_WITHIN_SECONDS = 10
BACKLOG = 2048
HEAD_SECONDS = 10.0
WANTED_CONNECTIONS = 16_384


def serve(
    app: Starlette, host: str, port: int, *, on_listening: Callable[[str], None], head_seconds: float = HEAD_SECONDS
) -> None:
    """Serves until it is told to stop (SIGINT, SIGTERM); requests under way are then answered first.

    `on_listening` is given the address, with the port that was found where `port` is 0. Raises `ConfigurationError`
    where the address cannot be listened on.
    """
    listening = _listen(host, port)
    _allow_connections()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol_with(head_seconds),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="error",  # a warning a malformed request would fill the disk
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_WITHIN_SECONDS,
        )
    )
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _end)  # the server raises the signal again when it has ended in good order
    bound = listening.getsockname()
    on_listening(f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}")
    with listening:
        server.run(sockets=[listening])


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"the receiver cannot listen on {host} port {port} ({error.strerror}): choose another with --host, --port"
        ) from None


def _allow_connections() -> None:
    """As many open connections as this process may have, up to what is useful."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_CONNECTIONS if most == resource.RLIM_INFINITY else min(WANTED_CONNECTIONS, most)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
