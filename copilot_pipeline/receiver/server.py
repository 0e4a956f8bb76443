"""The receiver process: its socket, its server and its shutdown."""

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
from copilot_pipeline.receiver.http_limits import limited_protocol

SHUTDOWN_TIMEOUT_SECONDS = 10
BACKLOG = 2048
HEAD_TIMEOUT_SECONDS = 10.0
MAX_CONNECTIONS = 16_384


def serve(
    app: Starlette,
    host: str,
    port: int,
    *,
    on_listening: Callable[[str], None],
    head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Requests in progress are completed before shutdown. `on_listening` is called with the address, which has the actual
    port if `port` is 0. Raises `ConfigurationError` if the address cannot be listened on.
    """
    listening = _listen(host, port)
    _allow_connections()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=limited_protocol(head_timeout_seconds),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="error",  # a warning for each malformed request could fill the disk
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        )
    )
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, _exit)  # the server raises the signal again after its shutdown
    bound = listening.getsockname()
    on_listening(f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}")
    with listening:
        server.run(sockets=[listening])


def _exit(*_: object) -> NoReturn:
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
    """Raise the limit of open files as far as allowed, up to `MAX_CONNECTIONS`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
