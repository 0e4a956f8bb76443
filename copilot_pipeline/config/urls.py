"""Addresses: without their secrets for logs and messages, and which hosts may get a key or be a link."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode, urlsplit

# Parameters that locate a service and hold no secret.
_HARMLESS = frozenset({"host", "port", "sslmode", "region", "endpoint_override", "encryption", "kms_key"})
_HARMLESS_VALUE = re.compile(r"[\w./:,~+-]*")  # neither user:password@ nor a second parameter after another separator
_MASK = "***"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PASSWORD_OF_LIBPQ = re.compile(r"((?:ssl)?pass\w*\s*=\s*)('(?:[^'\\]|\\.)*'?|\S+)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_USERS_WITHOUT_PASSWORD = ("postgres", "s3", "gs", "gcs", "abfs")  # elsewhere a user alone is a token
LINK_HOSTS = ("copilot.clari.com", "trywingman.com")


def without_secrets(url: str) -> str:
    """The address without its password and without secret parameters.

    A password with characters that must be written as %XX (`@`, `/`, `#`, `?`, `:`) ends where a parser does not expect
    it: everything before the last `@` may belong to it and is left out, and all if it is not certain which `@` is last.
    """
    match = _SCHEME.fullmatch(url)
    if match is None:
        return _without_scheme(url)
    scheme, rest = match[1], match[2]
    user, at, address = rest.rpartition("@")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    may_have_no_user = scheme.lower().startswith(_USERS_WITHOUT_PASSWORD)
    if at and may_have_no_user and ":" not in authority and "@" not in authority:
        user, at, address = "", "", rest  # the `@` is in the path or in a parameter
    elif re.search(r"[?#].*=", user, re.DOTALL):
        return f"{scheme}://{_MASK}"  # the `@` may be in a parameter
    shown = _without_secret_parameters(address)
    if shown is None:
        return "an address that cannot be read"
    return f"{scheme}://{_shown_user(scheme, user)}{at}{shown}"


def _shown_user(scheme: str, user: str) -> str:
    name, colon, password = user.partition(":")
    if colon:
        return f"{name}:{_MASK if password else ''}"
    return name if not name or scheme.lower().startswith(_USERS_WITHOUT_PASSWORD) else _MASK


def _without_secret_parameters(address: str) -> str | None:
    """The address after `user:password@`, with harmless parameters only. None if its host cannot be one."""
    try:
        parts = urlsplit(f"//{address}")
        is_host = not parts.netloc or all(_AUTHORITY.fullmatch(one) for one in parts.netloc.split(","))
    except ValueError:
        return None
    if not is_host and parts.netloc != "":
        return None if ":" in parts.netloc or "[" in parts.netloc else _MASK
    harmless = [
        (key, value if _HARMLESS_VALUE.fullmatch(value) else _MASK)
        for key, value in parse_qsl(parts.query)
        if key in _HARMLESS
    ]
    path = parts.path.partition(";")[0]
    return f"{parts.netloc}{path}" + (f"?{urlencode(harmless, safe='/:*,')}" if harmless else "")


def _without_scheme(url: str) -> str:
    """A folder as it is; an address whose scheme is missing, or keywords of libpq, without the password."""
    shown = _PASSWORD_OF_LIBPQ.sub(rf"\1{_MASK}", url)
    user, at, address = shown.rpartition("@")
    if not at or ":" not in user or url.startswith(("/", "./", "../", "~")):
        return shown
    return f"{user.partition(':')[0]}:{_MASK}@{address}"


def is_loopback(name: str) -> bool:
    """Whether a host name or address is that of this machine only."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def may_carry_a_key(url: str) -> bool:
    """Whether a key may be sent to the address: over TLS, or in clear to this machine only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.netloc)
    match = _AUTHORITY.fullmatch(parts.netloc)
    return parts.scheme == "http" and match is not None and is_loopback(match[1].strip("[]").lower())


def is_allowed_link(url: str | None, hosts: Collection[str] = LINK_HOSTS) -> bool:
    """Whether an address of others may be a link: https, and one of the hosts or a host below one of them."""
    if not url or re.fullmatch(r"[!-~]+", url) is None or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    match = _AUTHORITY.fullmatch(parts.netloc)
    if parts.scheme != "https" or match is None or match[2] not in (None, "443"):
        return False
    name = match[1].lower()
    return any(name == host or name.endswith(f".{host}") for host in hosts)
