"""Addresses without their secrets, for logs and messages."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

# Parameters that locate a service and hold no secret.
_HARMLESS = frozenset({"host", "port", "sslmode", "region", "endpoint_override"})


def without_secrets(url: str) -> str:
    """The address without its password and without secret parameters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    if not parts.scheme:
        return url
    user, _, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    shown = f"{name}{colon}{'***' if password else ''}@{host}" if user else host
    harmless = [(key, value) for key, value in parse_qsl(parts.query) if key in _HARMLESS]
    return f"{parts.scheme}://{shown}{parts.path}" + (f"?{urlencode(harmless, safe='/:')}" if harmless else "")


def is_web_address(url: str) -> bool:
    """Whether the address may be a link: http or https with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
