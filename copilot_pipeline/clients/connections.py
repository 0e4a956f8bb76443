"""Open HTTP clients, and name the variable of the environment that keeps one from being opened."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx

from copilot_pipeline.clients.deadline import enforce_deadlines
from copilot_pipeline.errors import ConfigurationError

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def open_http_client(**options: Any) -> httpx.Client:
    """Open a client that uses the proxies and certificates of the environment and observes `deadline`.

    Raises `ConfigurationError` if a variable of the environment is not usable.
    """
    try:
        options.setdefault("verify", _certificates(tuple(map(os.environ.get, _CERTIFICATES))))
        client = httpx.Client(**options)
    except OSError as error:  # SSLError too
        raise _certificate_error(error) from None
    except (ValueError, ImportError, httpx.InvalidURL):
        proxy = next(_unusable_proxies(), None)
        if proxy is None:
            raise
        name, reason = proxy
        raise ConfigurationError(f"{name} cannot be used: {reason}") from None
    enforce_deadlines(client)
    return client


@cache
def _certificates(_variables: tuple[str | None, ...]) -> ssl.SSLContext:
    """Read the certificates, once for each value of the variables: it takes 15 ms, and a run opens five clients."""
    return httpx.create_ssl_context()


def proxy_problem(error: httpx.RequestError) -> str:
    """Return which proxies to check if a connection failed; empty if none is configured, or that is not the reason."""
    names = [name for name, _ in _variables(_PROXIES)]
    if not names or not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return ""
    return f"; check the proxy of {' and '.join(names)} too"


def _certificate_error(error: OSError) -> ConfigurationError:
    for name in _CERTIFICATES:
        value = os.environ.get(name)
        if not value:
            continue
        reason = "is not a file of certificates (PEM)" if isinstance(error, ssl.SSLError) else _os_reason(error)
        return ConfigurationError(f"{name} cannot be used: {value} {reason}. Correct the path, or unset {name}")
    return ConfigurationError(f"the certificates of this machine cannot be read ({type(error).__name__})")


def _os_reason(error: OSError) -> str:
    return f"cannot be read ({error.strerror or type(error).__name__})"


def _unusable_proxies() -> Iterator[tuple[str, str]]:
    """Yield the variables with a proxy that httpx refuses, each with what is expected. Values may hold passwords."""
    for name, value in _variables(_PROXIES):
        address = value if "://" in value else f"http://{value}"
        try:
            httpx.HTTPTransport(proxy=address, verify=False).close()
        except (ValueError, ImportError, httpx.InvalidURL):
            yield name, "expected an address such as http://proxy.example:3128 or socks5://proxy.example:1080"
    for name, value in _variables(("NO_PROXY",)):
        for entry in value.split(","):
            if not _is_usable_exception(entry.strip()):
                yield name, f"{entry.strip()!r} is not a host. Write an IPv6 address without brackets, such as ::1"


def _variables(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        for spelled in (name.lower(), name):
            if value := os.environ.get(spelled, "").strip():
                yield spelled, value


def _is_usable_exception(entry: str) -> bool:
    """Return whether httpx accepts an entry of NO_PROXY."""
    if not entry:
        return True
    is_ipv6 = entry.count(":") > 1 and not entry.startswith("[")
    try:
        httpx.URL(entry if "://" in entry else f"all://[{entry}]" if is_ipv6 else f"all://*{entry}")
    except httpx.InvalidURL:
        return False
    return True
