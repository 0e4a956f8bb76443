"""Signatures as senders make them, written from their description, independently of the receiver's code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid

SECRET = "a-secret-for-tests-0123456789"
SEMARIZE_SECRET = "another-secret-for-tests-0123456789"


def now() -> str:
    """Unix time in whole seconds."""
    return str(int(time.time()))


def digest(secret: str, signed: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).digest()


def signed(body: bytes, *, secret: str = SECRET, at: str | None = None) -> dict[str, str]:
    """The headers of our own signature: the digest of `timestamp.body` in hex."""
    moment = at if at is not None else now()
    return {
        "x-webhook-timestamp": moment,
        "x-webhook-signature": digest(secret, moment.encode() + b"." + body).hex(),
    }


def standard(body: bytes, *, secret: str = SECRET, at: str | None = None, name: str | None = None) -> dict[str, str]:
    """Standard Webhooks."""
    moment, identity = at or now(), name or f"msg_{uuid.uuid4().hex}"
    signature = base64.b64encode(digest(secret, f"{identity}.{moment}.".encode() + body)).decode()
    return {"webhook-id": identity, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}


def semarize(body: bytes, *, at: str | None = None, name: str = "dlv_1", plain: bool = False) -> dict[str, str]:
    """Semarize's headers, with a signed timestamp or `plain`."""
    if plain:
        return {"semarize-signature": digest(SEMARIZE_SECRET, body).hex(), "semarize-delivery-id": name}
    moment = at or now()
    signature = digest(SEMARIZE_SECRET, moment.encode() + b"." + body).hex()
    return {"semarize-signature": f"t={moment},v1={signature}", "semarize-delivery-id": name}
