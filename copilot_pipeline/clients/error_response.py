"""The description of an unsuccessful request, reduced to what may be logged. Pure.

Error texts of servers and libraries may quote the request: keys, addresses, spoken words. Only short machine codes, a
few known sentences and numbers get through.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from copilot_pipeline.errors import error_chain

# A machine code is short and without blanks ("kit_not_found", "Forbidden"); anything else may quote the request.
_MACHINE_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_KNOWN_SENTENCES = frozenset({"Too Many Requests", "Limit Exceeded", "Forbidden", "Internal server error"})

_TRANSPORT_ERRORS = (
    (socket.gaierror, "the host name cannot be resolved: check the address and DNS"),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted"),
    (ssl.SSLError, "TLS failed: check that the address should begin with https"),
    (ConnectionRefusedError, "connection refused: check the address, or the server is down"),
    (httpx.ProxyError, "the proxy did not open the connection"),
    (httpx.ConnectTimeout, "the connection timed out"),
    (httpx.ReadTimeout, "the response timed out"),
    (httpx.RemoteProtocolError, "the server closed the connection before the response was complete"),
    (httpx.DecodingError, "the response cannot be decompressed"),
)


def describe_transport_error(error: BaseException) -> str:
    """Return the cause of a missing response, without the exception's text, which may quote the URL."""
    kind = type(error).__name__
    for cause in error_chain(error):
        for error_type, description in _TRANSPORT_ERRORS:
            if isinstance(cause, error_type):
                return f"{description} ({kind})"
    return kind


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, a number or an HTTP date; None if there is no usable value."""
    if not value:
        return None
    try:
        return _seconds(float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _seconds((moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def parse_error_body(body: bytes) -> tuple[str | None, float | None]:
    """Return the machine code and the `retry_after_seconds` of an error body, each None if absent.

    The code is taken from `error`, `errorMessage`, `message` or `detail`. Free text is not returned.
    """
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    retry_after = _seconds(parsed.get("retry_after_seconds"))
    for key in ("error", "errorMessage", "message", "detail"):
        value = parsed.get(key)
        if isinstance(value, str) and (value in _KNOWN_SENTENCES or _MACHINE_CODE.fullmatch(value)):
            return value, retry_after
    return None, retry_after


def _seconds(value: object) -> float | None:
    """Return a finite number as seconds, at least 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
