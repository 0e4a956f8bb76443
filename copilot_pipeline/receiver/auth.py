"""Whether a request comes from somebody who knows the secret.

Three ways, in this order; a request that uses one of them is judged by it alone:

1. Standard Webhooks (standardwebhooks.com): headers `webhook-id`, `webhook-timestamp` and `webhook-signature`
   (`v1,<base64>`, several parted by blanks); signed is `id.timestamp.body`. A secret that begins with `whsec_` is the
   Base64 of the key, as the convention has it.
2. A signature in the endpoint's own header: HMAC-SHA256 in hex or Base64, plain, after `sha256=` or `v1=`, or as
   `t=<timestamp>,v1=<digest>`; signed is `timestamp.body`, the timestamp being that of `t=` or of the endpoint's
   timestamp header. Where the endpoint allows it and none is sent, signed is the body alone.
3. The shared secret itself, in `X-Webhook-Secret` or as `Authorization: Bearer …`.

Signed timestamps (Unix time in seconds, or in milliseconds) may be five minutes away from this machine's clock. A
signature is good for one request: using it again is a replay. A shared secret proves who sends and not when, so there
a repetition cannot be told from a second webhook; it needs no refusal either, because a webhook is only a hint, and
the same id announced again while it waits is coalesced with the first. Who can repeat such a request can also read
the secret in it: it must travel over TLS.

All comparisons take the same time whether they fail early or late.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.datastructures import Headers

from copilot_pipeline.receiver.endpoints import Endpoint
from copilot_pipeline.receiver.refusals import not_authentic

TOLERANCE_SECONDS = 300
# A signature is refused for its age long before it is forgotten.
REMEMBERED_AFTER_EXPIRY = timedelta(hours=1)
REMEMBERED_WITHOUT_TIMESTAMP = timedelta(days=30)
MOST_SIGNATURES = 16
LONGEST_DELIVERY_ID = 256
STANDARD_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,16}", re.ASCII)
_MILLISECONDS_FROM = 100_000_000_000  # in seconds that would be the year 5138


@dataclass(frozen=True, slots=True)
class Authentication:
    """An accepted proof: fingerprints by which a repetition is known, and how long to remember them."""

    signature: bytes | None
    delivery: bytes | None
    expires_at: datetime
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a endpoint; more than one while a secret is being replaced. Never shown."""

    shared: tuple[bytes, ...]
    keys: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> Secrets:
        """From a setting: one secret, or several parted by blanks."""
        words = text.split()
        keys = (key for word in words for key in _keys(word))
        return cls(shared=tuple(word.encode() for word in words), keys=tuple(keys))

    def __repr__(self) -> str:
        return f"Secrets({len(self.keys)})"


def _keys(secret: str) -> Iterator[bytes]:
    """The text of the secret, and what it stands for where it follows the convention: senders use one or the other."""
    yield secret.encode()
    if secret.startswith(STANDARD_PREFIX):
        with contextlib.suppress(ValueError):
            yield base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)


def prove(endpoint: Endpoint, secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    """Raises `Refused` (401) with the reason; `now` is aware."""
    if "webhook-signature" in headers:
        return _standard(secrets, headers, body, now)
    if endpoint.signature_header in headers:
        return _signed(endpoint, secrets, headers, body, now)
    return _shared(endpoint, secrets, headers, now)


def _standard(secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    identity = _only(headers, "webhook-id")
    timestamp = _only(headers, "webhook-timestamp")
    offered = _only(headers, "webhook-signature") or ""
    if not identity or not timestamp:
        raise not_authentic("no_timestamp", "webhook-signature is sent without webhook-id and webhook-timestamp")
    candidates = [part.partition(",")[2] for part in offered.split(" ") if part.startswith("v1,")]
    digest = _matching(secrets, candidates, f"{identity}.{timestamp}.".encode("latin-1") + body)
    moment = _fresh(timestamp, now)
    return Authentication(
        signature=_fingerprint(b"signature", digest),
        delivery=_fingerprint(b"delivery", identity.encode("latin-1"), body),
        expires_at=_forget_after(moment),
    )


def _signed(endpoint: Endpoint, secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    timestamp, candidates = _parts(_only(headers, endpoint.signature_header) or "")
    timestamp = timestamp or _only(headers, endpoint.timestamp_header)
    if timestamp is None and endpoint.needs_timestamp:
        raise not_authentic(
            "no_timestamp",
            f"the signature needs a timestamp: send Unix seconds in {endpoint.timestamp_header}, and sign them",
        )
    signed = body if timestamp is None else timestamp.encode("latin-1") + b"." + body
    digest = _matching(secrets, candidates, signed)
    expires_at = now + REMEMBERED_WITHOUT_TIMESTAMP if timestamp is None else _forget_after(_fresh(timestamp, now))
    identity = _only(headers, endpoint.delivery_header) if endpoint.delivery_header else None
    return Authentication(
        signature=_fingerprint(b"signature", digest),
        delivery=_fingerprint(b"delivery", identity[:LONGEST_DELIVERY_ID].encode("latin-1"), body)
        if identity
        else None,
        expires_at=expires_at,
        may_repeat=endpoint.may_repeat,
    )


def _shared(endpoint: Endpoint, secrets: Secrets, headers: Headers, now: datetime) -> Authentication:
    offered = [value for value in (_only(headers, "x-webhook-secret"), _bearer(headers)) if value]
    if not offered:
        raise not_authentic(
            "no_proof",
            f"send a signature in {endpoint.signature_header}, or the secret in X-Webhook-Secret or Authorization: "
            "Bearer",
        )
    is_known = False
    for value in offered:
        hashed = hashlib.sha256(value.encode("latin-1")).digest()  # equal lengths: nothing is told about the secret's
        for secret in secrets.shared:
            is_known |= hmac.compare_digest(hashed, hashlib.sha256(secret).digest())
    if not is_known:
        raise not_authentic("wrong_secret", "the secret is not the one that the receiver knows")
    return Authentication(signature=None, delivery=None, expires_at=now)


def _bearer(headers: Headers) -> str | None:
    scheme, _, value = (_only(headers, "authorization") or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _only(headers: Headers, name: str) -> str | None:
    """A header's value. Sent twice, two readers could take it for different things."""
    values = headers.getlist(name)
    if len(values) > 1:
        raise not_authentic("header_twice", f"the header {name} is sent more than once")
    return values[0].strip() if values else None


def _parts(value: str) -> tuple[str | None, list[str]]:
    """`t=1764000000,v1=ab…` or a digest alone, into the timestamp and the digests offered."""
    timestamp, candidates = None, []
    for part in value.split(","):
        name, separator, rest = part.strip().partition("=")
        if separator and name == "t":
            timestamp = rest
        elif separator and name.lower() in ("v1", "sha256") and rest:
            candidates.append(rest)
        elif part.strip():
            candidates.append(part.strip())
    return timestamp, candidates


def _matching(secrets: Secrets, candidates: list[str], signed: bytes) -> bytes:
    """The digest that matches, all candidates compared with all keys."""
    offered = [digest for digest in map(_digest, candidates[:MOST_SIGNATURES]) if digest is not None]
    if not offered:
        raise not_authentic("wrong_signature", "the signature is not a SHA-256 digest in hex or Base64")
    match: bytes | None = None
    for key in secrets.keys:
        expected = hmac.digest(key, signed, "sha256")
        for digest in offered:
            if hmac.compare_digest(digest, expected):
                match = expected
    if match is None:
        raise not_authentic(
            "wrong_signature", "the signature does not match: is it over the raw body as sent, with this secret?"
        )
    return match


def _digest(text: str) -> bytes | None:
    try:
        digest = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == hashlib.sha256().digest_size else None


def _fresh(timestamp: str, now: datetime) -> datetime:
    """The moment of a timestamp whose signature is good."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise not_authentic("wrong_timestamp", "the timestamp is not Unix time in seconds")
    number = int(timestamp)
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else float(number)
    age = now.timestamp() - seconds
    if abs(age) > TOLERANCE_SECONDS:
        side = "past" if age > 0 else "future"
        raise not_authentic(
            "wrong_time", f"the timestamp is more than {TOLERANCE_SECONDS} s in the {side} of the receiver's clock"
        )
    return datetime.fromtimestamp(seconds, UTC)


def _forget_after(moment: datetime) -> datetime:
    return moment + timedelta(seconds=TOLERANCE_SECONDS) + REMEMBERED_AFTER_EXPIRY


def _fingerprint(*parts: bytes) -> bytes:
    joined = hashlib.sha256()
    for part in parts:
        joined.update(len(part).to_bytes(8, "big") + part)
    return joined.digest()
