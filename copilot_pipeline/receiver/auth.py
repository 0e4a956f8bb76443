"""Authentication of webhooks by a signature or a shared secret.

A request is authenticated in the first of these ways that it uses, and by no other:

1. Standard Webhooks (standardwebhooks.com), verified by its library: headers `webhook-id`, `webhook-timestamp` and
   `webhook-signature` (`v1,<base64>`, several separated by blanks) over `id.timestamp.body`. A secret that begins with
   `whsec_` is the Base64 of the key.
2. A signature in the endpoint's own header: HMAC-SHA256 in hex or Base64, plain, after `sha256=` or `v1=`, or as
   `t=<timestamp>,v1=<digest>`, over `timestamp.body`. The timestamp is that of `t=` or of the endpoint's timestamp
   header. If the endpoint allows signatures without a timestamp, they are over the body alone.
3. The shared secret, in `X-Webhook-Secret` or as `Authorization: Bearer …`.

A signed timestamp (Unix time in seconds; in the second way also in milliseconds) may differ from this machine's clock
by five minutes. A signature is accepted once: using it again is a replay, which the inbox detects by the hashes that
are returned here. With a shared secret a repetition looks like a second webhook. That is acceptable, because a webhook
only triggers the check of an id, and repeated ids are merged while they are pending. Such requests must be sent over
TLS, since anyone who can repeat one can also read the secret.

All comparisons take constant time.
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

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.datastructures import Headers

from copilot_pipeline.receiver.endpoints import Endpoint
from copilot_pipeline.receiver.errors import unauthenticated

TOLERANCE_SECONDS = 300
# Hashes are kept for longer than a signature is accepted, so that clocks that differ cannot open a gap.
KEPT_AFTER_EXPIRY = timedelta(hours=1)
KEPT_WITHOUT_TIMESTAMP = timedelta(days=30)
MAX_SIGNATURES = 16
MAX_DELIVERY_ID_LENGTH = 256
STANDARD_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,16}", re.ASCII)
_STANDARD_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=", re.ASCII)  # 32 bytes in Base64
_MIN_MILLISECONDS = 100_000_000_000  # as seconds, this would be the year 5138
_WRONG_SIGNATURE = "the signature does not match: is it over the raw body as sent, with this secret?"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Hashes by which the inbox detects a repetition, and their expiry."""

    signature_hash: bytes | None
    message_hash: bytes | None
    expires_at: datetime
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of an endpoint; several while a secret is being rotated.

    Its repr shows only their number.
    """

    shared: tuple[bytes, ...]
    keys: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> Secrets:
        """Parse a setting: one secret, or several separated by blanks."""
        words = text.split()
        keys = (key for word in words for key in _keys(word))
        return cls(shared=tuple(word.encode() for word in words), keys=tuple(keys))

    def __repr__(self) -> str:
        return f"Secrets({len(self.keys)})"


def _keys(secret: str) -> Iterator[bytes]:
    """The text of the secret, and the key it encodes: senders sign with either."""
    yield secret.encode()
    if secret.startswith(STANDARD_PREFIX):
        encoded = secret.removeprefix(STANDARD_PREFIX)
        with contextlib.suppress(ValueError):
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
            if key:  # anyone could sign with an empty key
                yield key


def authenticate(endpoint: Endpoint, secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    """Authenticate a request; `now` is aware.

    Raises `RequestRejected` (401) with the reason.
    """
    if "webhook-signature" in headers:
        return _by_standard_webhook(secrets, headers, body, now)
    if endpoint.signature_header in headers:
        return _by_signature(endpoint, secrets, headers, body, now)
    return _by_shared_secret(endpoint, secrets, headers, now)


def _by_standard_webhook(secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    identity = _single(headers, "webhook-id")
    timestamp = _single(headers, "webhook-timestamp")
    signatures = (_single(headers, "webhook-signature") or "").split(" ")
    if not identity or not timestamp:
        raise unauthenticated("no_timestamp", "webhook-signature requires webhook-id and webhook-timestamp")
    sent_at = _checked_time(timestamp, now, milliseconds=False)
    # The library raises various errors for malformed signatures, and expects those headers only.
    signatures = [one for one in signatures if _STANDARD_SIGNATURE.fullmatch(one)][:MAX_SIGNATURES]
    verified: Webhook | None = None
    try:
        identity = identity.encode("latin-1").decode()  # header values are decoded as Latin-1, but signed as bytes
        text = body.decode()
    except UnicodeDecodeError:
        raise unauthenticated("wrong_signature", "the signed webhook-id or body is not UTF-8") from None
    signed = {"webhook-id": identity, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}
    for key in secrets.keys:  # all of them, so that the time does not depend on which one matches
        webhook = Webhook(key)
        with contextlib.suppress(WebhookVerificationError):
            webhook.verify(text, signed, json_parse=False)
            verified = webhook
    if verified is None:
        raise unauthenticated("wrong_signature", _WRONG_SIGNATURE)
    digest = base64.b64decode(verified.sign(identity, sent_at, text).removeprefix("v1,"))
    return Authentication(
        signature_hash=_hash(b"signature", digest),
        message_hash=_hash(b"delivery", identity.encode(), body),
        expires_at=_expiry(sent_at),
    )


def _by_signature(endpoint: Endpoint, secrets: Secrets, headers: Headers, body: bytes, now: datetime) -> Authentication:
    timestamp, candidates = _parse_signature(_single(headers, endpoint.signature_header) or "")
    timestamp = timestamp or _single(headers, endpoint.timestamp_header)
    if timestamp is None and endpoint.needs_timestamp:
        raise unauthenticated(
            "no_timestamp",
            f"the signature needs a timestamp: send Unix seconds in {endpoint.timestamp_header}, and sign them",
        )
    signed = body if timestamp is None else timestamp.encode("latin-1") + b"." + body
    digest = _matching_digest(secrets, candidates, signed)
    expires_at = now + KEPT_WITHOUT_TIMESTAMP if timestamp is None else _expiry(_checked_time(timestamp, now))
    identity = _single(headers, endpoint.delivery_header) if endpoint.delivery_header else None
    return Authentication(
        signature_hash=_hash(b"signature", digest),
        message_hash=_hash(b"delivery", identity[:MAX_DELIVERY_ID_LENGTH].encode("latin-1"), body)
        if identity
        else None,
        expires_at=expires_at,
        may_repeat=endpoint.may_repeat,
    )


def _by_shared_secret(endpoint: Endpoint, secrets: Secrets, headers: Headers, now: datetime) -> Authentication:
    offered = [value for value in (_single(headers, "x-webhook-secret"), _bearer_token(headers)) if value]
    if not offered:
        raise unauthenticated(
            "no_credentials",
            f"send a signature in {endpoint.signature_header}, or the secret in X-Webhook-Secret or Authorization: "
            "Bearer",
        )
    matches = False
    for value in offered:
        hashed = hashlib.sha256(value.encode("latin-1")).digest()  # equal lengths do not reveal that of the secret
        for secret in secrets.shared:
            matches |= hmac.compare_digest(hashed, hashlib.sha256(secret).digest())
    if not matches:
        raise unauthenticated("wrong_secret", "the secret does not match that of the receiver")
    return Authentication(signature_hash=None, message_hash=None, expires_at=now)


def _bearer_token(headers: Headers) -> str | None:
    scheme, _, value = (_single(headers, "authorization") or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _single(headers: Headers, name: str) -> str | None:
    """The value of a header.

    A repeated header is rejected, because parsers differ in which value they take.
    """
    values = headers.getlist(name)
    if len(values) > 1:
        raise unauthenticated("header_twice", f"the header {name} is sent more than once")
    return values[0].strip() if values else None


def _parse_signature(value: str) -> tuple[str | None, list[str]]:
    """Parse `t=1764000000,v1=ab…` or a digest into timestamp and digests."""
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


def _matching_digest(secrets: Secrets, candidates: list[str], signed: bytes) -> bytes:
    """The digest that matches; all candidates are compared with all keys."""
    offered = [digest for digest in map(_decode_digest, candidates[:MAX_SIGNATURES]) if digest is not None]
    if not offered:
        raise unauthenticated("wrong_signature", "the signature is not a SHA-256 digest in hex or Base64")
    match: bytes | None = None
    for key in secrets.keys:
        expected = hmac.digest(key, signed, "sha256")
        for digest in offered:
            if hmac.compare_digest(digest, expected):
                match = expected
    if match is None:
        raise unauthenticated("wrong_signature", _WRONG_SIGNATURE)
    return match


def _decode_digest(text: str) -> bytes | None:
    try:
        digest = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == hashlib.sha256().digest_size else None


def _checked_time(timestamp: str, now: datetime, *, milliseconds: bool = True) -> datetime:
    """The time of a signature. Raises `RequestRejected` if it is not close to `now`."""
    if not _TIMESTAMP.fullmatch(timestamp):
        raise unauthenticated("wrong_timestamp", "the timestamp is not Unix time in seconds")
    number = int(timestamp)
    seconds = number / 1000 if milliseconds and number >= _MIN_MILLISECONDS else float(number)
    age = now.timestamp() - seconds
    if abs(age) > TOLERANCE_SECONDS:
        side = "past" if age > 0 else "future"
        raise unauthenticated(
            "wrong_time", f"the timestamp is more than {TOLERANCE_SECONDS} s in the {side} of the receiver's clock"
        )
    return datetime.fromtimestamp(seconds, UTC)


def _expiry(sent_at: datetime) -> datetime:
    return sent_at + timedelta(seconds=TOLERANCE_SECONDS) + KEPT_AFTER_EXPIRY


def _hash(*parts: bytes) -> bytes:
    joined = hashlib.sha256()
    for part in parts:
        joined.update(len(part).to_bytes(8, "big") + part)
    return joined.digest()
