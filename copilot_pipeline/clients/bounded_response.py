"""The one place where responses are read: within a deadline and within sizes, checked while the bytes arrive.

A body is decompressed here and not by httpx, which inflates each chunk completely: 64 KB of gzip can become 64 MB.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import socksio

from copilot_pipeline.clients.deadline import close_opened, deadline, is_expired
from copilot_pipeline.config.pipeline_file import AdvancedHttpSettings

MEBIBYTE = 1024 * 1024
KEPT_BYTES = 64 * 1024  # of a body that is too large, for the quarantine
ACCEPT_ENCODING = "gzip, deflate"
_INFLATE_BYTES = 256 * 1024  # decompressed at a time
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOW_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """The largest response, as sent and decompressed, and the time for one attempt.

    The defaults pass a transcript of 50 MB.
    """

    max_response_bytes: int = 128 * MEBIBYTE
    max_decompressed_bytes: int = 128 * MEBIBYTE
    attempt_seconds: float = 120.0

    @classmethod
    def from_settings(cls, settings: AdvancedHttpSettings) -> ResponseLimits:
        """The limits of `pipeline.yaml`."""
        return cls(settings.max_response_bytes, settings.max_decompressed_bytes, settings.attempt_seconds)


@dataclass(frozen=True, slots=True)
class BoundedResponse:
    """A response of any status; of an error only the first bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class ResponseTooLarge(Exception):
    """A body exceeds a limit. `body` holds its first bytes, decompressed."""

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


class UnknownEncoding(httpx.DecodingError):
    """A body is compressed in a way that was not accepted, or more than once."""


def send_bounded(
    client: httpx.Client, request: httpx.Request, limits: ResponseLimits, *, seconds: float | None = None
) -> BoundedResponse:
    """Send a request and read the response within the limits; `seconds` shortens the deadline.

    Raises `ResponseTooLarge`, and `httpx.RequestError` for everything else that keeps the response from being complete.
    """
    with deadline(limits.attempt_seconds if seconds is None else min(seconds, limits.attempt_seconds)):
        response = _open_response(client, request)
        try:
            body = _read(response, request, limits) if response.is_success else _first_bytes(response, request, limits)
        finally:
            response.close()
    return BoundedResponse(response.status_code, response.headers, body)


def _open_response(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    try:
        return client.send(request, stream=True)
    except (socksio.SOCKSError, AssertionError):  # httpx passes these on if the proxy does not speak SOCKS
        close_opened()
        raise httpx.ProxyError("the SOCKS proxy gave no valid reply", request=request) from None


def _read(response: httpx.Response, request: httpx.Request, limits: ResponseLimits) -> bytes:
    """Return the whole body. Raises `ResponseTooLarge` as soon as it exceeds a limit."""
    body = bytearray()  # and no list of chunks, whose small allocations fragment the memory
    largest = limits.max_decompressed_bytes
    for chunk in _decompressed(response, request, limits, body):
        if len(body) + len(chunk) > largest:
            raise ResponseTooLarge(f"the response is larger than {largest:,} bytes", _first(body, chunk))
        body += chunk
    return bytes(body)


def _first_bytes(response: httpx.Response, request: httpx.Request, limits: ResponseLimits) -> bytes:
    """Return the first bytes of an error's body, as far as it can be read: the status is sufficient."""
    body = bytearray()
    try:
        for chunk in _decompressed(response, request, limits, body):
            body += chunk
            if len(body) >= KEPT_BYTES:
                break
    except (httpx.RequestError, ResponseTooLarge):
        pass
    return _first(body)


def _first(body: bytearray, chunk: bytes = b"") -> bytes:
    """Return the first bytes of a body and the chunk that follows it."""
    return bytes(body[:KEPT_BYTES] + chunk[: max(0, KEPT_BYTES - len(body))])


def _decompressed(
    response: httpx.Response, request: httpx.Request, limits: ResponseLimits, read: bytearray
) -> Iterator[bytes]:
    """Yield the body in chunks of limited size. `read` holds what the caller kept of it, for the error."""
    if response.is_stream_consumed:  # by the transport itself: httpx.MockTransport
        yield response.content
        return
    received = _received(response, request, limits, read)
    bits = _window_bits(response, request)
    yield from received if bits is None else _inflated(received, bits, request)


def _received(
    response: httpx.Response, request: httpx.Request, limits: ResponseLimits, read: bytearray
) -> Iterator[bytes]:
    """Yield the body as sent. Raises `ResponseTooLarge`."""
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > limits.max_response_bytes:
            message = f"the response is larger than {limits.max_response_bytes:,} bytes"
            is_plain = "content-encoding" not in response.headers
            raise ResponseTooLarge(message, _first(read, chunk if is_plain else b""))
        if is_expired():  # data that is already received never waits
            raise httpx.ReadTimeout("the deadline has passed", request=request)
        yield chunk


def _window_bits(response: httpx.Response, request: httpx.Request) -> int | None:
    """Return what zlib needs to decompress the body; None if it is not compressed."""
    header = response.headers.get("content-encoding", "")
    encodings = [name for part in header.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not encodings:
        return None
    if len(encodings) > 1 or encodings[0] not in _WINDOW_BITS:
        raise UnknownEncoding("the response has an encoding that was not accepted", request=request)
    return _WINDOW_BITS[encodings[0]]


def _inflated(received: Iterator[bytes], bits: int, request: httpx.Request) -> Iterator[bytes]:
    inflater = zlib.decompressobj(bits)
    is_first = True
    try:
        for data in received:
            while data:
                try:
                    chunk = inflater.decompress(data, _INFLATE_BYTES)
                except zlib.error:
                    if not (is_first and bits == _ZLIB):
                        raise
                    inflater = zlib.decompressobj(_RAW_DEFLATE)  # `deflate` without the header, as some servers send
                    chunk = inflater.decompress(data, _INFLATE_BYTES)
                is_first = False
                if chunk:
                    yield chunk
                if inflater.eof and inflater.unused_data.startswith(_GZIP_MAGIC):  # gzip of several members
                    data, inflater = inflater.unused_data, zlib.decompressobj(bits)
                else:
                    data = b"" if inflater.eof else inflater.unconsumed_tail
        # A last chunk may be left inside the inflater, if the output was cut at the limit with all input consumed.
        while chunk := b"" if inflater.eof or is_first else inflater.decompress(b"", _INFLATE_BYTES):
            yield chunk
    except zlib.error:
        raise httpx.DecodingError("the response cannot be decompressed", request=request) from None
    if not (inflater.eof or is_first):
        raise httpx.DecodingError("the compressed response is cut off", request=request)
