"""Kits, run requests and the state of a run."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from copilot_pipeline.config.kit_filters import KitFilter

MODES = ("async", "sync")
RUN_TYPES = ("api", "sandbox")
MAX_KEY_LENGTH = 254  # characters, the vendor's limit on Idempotency-Key
_RESCORE = re.compile(r":again\d+\Z")  # a requested rescore is another run: its number is appended to the key
_MAX_ID_LENGTH = 100  # two of them, the hash and an order fit


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit by the name of `pipeline.yaml`: by code (its newest published version), or pinned to a version."""

    name: str
    code: str | None = None
    version_id: str | None = None
    call_filter: KitFilter = field(default_factory=KitFilter)
    place: str = field(default="pipeline.yaml", compare=False)  # file and line of the setting

    @property
    def setting(self) -> str:
        """The setting that names the kit."""
        return f"kits.{self.name}.{'kit_version_id' if self.version_id else 'code'}"

    @property
    def reference(self) -> str:
        """The version id, or the code if the kit is not pinned."""
        return self.version_id or self.code or ""

    def body_fields(self) -> dict[str, str]:
        """Return the fields of a request body that name the kit."""
        return {"kit_version_id": self.version_id} if self.version_id else {"kit_code": self.code or ""}


@dataclass(frozen=True, slots=True)
class UsedKit:
    """A kit, and how many of the newest runs of the workspace are of it."""

    code: str | None
    version_id: str | None
    runs: int = 0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request for a run. Sending it again has no effect, because body and key are the same."""

    kit: Kit
    body: bytes
    idempotency_key: str


class RunStatus(StrEnum):
    """The status of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the status is final."""
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as received; `body` is unchanged."""

    run_id: str
    status: RunStatus
    kit_version_id: str | None
    kit_code: str | None
    duration_ms: int | None
    error_code: str | None
    error_message: str | None
    poll_after_seconds: float | None
    body: bytes


def run_request(
    call_id: str,
    transcript_text: str,
    kit: Kit,
    *,
    mode: str = "async",
    run_type: str = "api",
) -> RunRequest:
    """Return the request that scores a text with a kit. The same arguments give the same bytes and the same key.

    The key covers the whole body, because a key that is reused with another body is refused with 409.
    """
    fields = {**kit.body_fields(), "input": {"transcript": transcript_text}, "mode": mode, "type": run_type}
    body = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return RunRequest(kit, body, f"clari:{_short(call_id)}:{_short(kit.reference)}:{digest}")


def same_request(
    call_id: str, transcript_text: str, kit: Kit, key: str, *, mode: str = "async", run_type: str = "api"
) -> RunRequest:
    """Return the request of a key, also if the mode or type in the settings has changed since.

    A request that may have been sent is repeated unchanged. If no mode and type match the key, the key is used all the
    same: a refusal (409) is better than a second payment.
    """
    first_key = _RESCORE.sub("", key)
    for known_mode, known_type in ((mode, run_type), *itertools.product(MODES, RUN_TYPES)):
        request = run_request(call_id, transcript_text, kit, mode=known_mode, run_type=known_type)
        if request.idempotency_key == first_key:
            return replace(request, idempotency_key=key)
    return replace(run_request(call_id, transcript_text, kit, mode=mode, run_type=run_type), idempotency_key=key)


def _short(text: str) -> str:
    if len(text) <= _MAX_ID_LENGTH and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
