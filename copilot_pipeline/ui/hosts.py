"""The names under which the UI may be reached: loopback, and those that are configured.

A page of another site can give its own name the address 127.0.0.1 (DNS rebinding). Its requests then are of the same
origin for the browser, and only their header `Host` tells.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from copilot_pipeline.config.urls import is_loopback

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def is_allowed(host: str, configured: Collection[str]) -> bool:
    """Return whether a value of the header `Host` names this machine's loopback, or is configured."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower()
    return is_loopback(name.strip("[]")) or not {name, host.lower()}.isdisjoint(configured)


def is_same_origin(origin: str, host: str, configured: Collection[str]) -> bool:
    """Return whether a value of the header `Origin` is that of the UI's own pages.

    Behind a proxy the `Host` may be that of this process; then the origin is one of the configured hosts. Another port
    of loopback is another origin.
    """
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
        return False
    match = _HOST.fullmatch(parts.netloc)
    if match is None:
        return False
    netloc = parts.netloc.lower()
    return netloc == host.lower() or not {match["name"].lower(), netloc}.isdisjoint(configured)
