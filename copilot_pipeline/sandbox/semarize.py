"""Semarize: runs with idempotency keys, kits and their schemas."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from copilot_pipeline.sandbox import scoring
from copilot_pipeline.sandbox.exchange import Reply, Request, as_json, garble
from copilot_pipeline.sandbox.faults import GARBLED, Dice, Faults
from copilot_pipeline.sandbox.options import SEMARIZE_KEY, SandboxOptions

_MAX_KEY_LENGTH = 254
_SYNC_TIMEOUT_SECONDS = 0.5


@dataclass(slots=True)
class Run:
    """A paid run."""

    run_id: str
    code: str
    version: str
    run_type: str
    input_sha256: str
    transcript: Any
    created: float
    fails: bool
    is_announced: bool = False
    reads: int = 0


@dataclass(slots=True)
class RunLog:
    """All runs, and how many were created for the same kit and input."""

    runs: dict[str, Run] = field(default_factory=dict)
    by_key: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> (body digest, run id)
    created: dict[str, int] = field(default_factory=dict)  # "kit:input digest" -> runs


class Semarize:
    """The API under `/v1`."""

    def __init__(self, options: SandboxOptions, dice: Dice) -> None:
        self._options = options
        self._dice = dice
        self.run_log = RunLog()
        self.requests: dict[str, int] = {}
        self.garbled = 0

    def __call__(self, request: Request, faults: Faults) -> Reply:
        bearer = request.headers.get("authorization", "")
        if not bearer.startswith("Bearer "):
            return as_json(401, {"error": "missing_bearer_token"})
        if bearer != f"Bearer {SEMARIZE_KEY}":
            return as_json(401, {"error": "invalid_api_key"})
        of_a_run = request.path.startswith("/v1/runs/")
        name = f"{request.method} {'/v1/runs/{id}' if of_a_run else request.path}"
        self.requests[name] = self.requests.get(name, 0) + 1
        if self._dice.roll("semarize 429", faults.semarize_429_share):
            return as_json(429, {"error": "rate_limited", "retry_after_seconds": 0.2})
        if self._dice.roll("semarize 500", faults.semarize_500_share):
            return as_json(500, {"error": "run_request_failed"})
        reply = self._reply(request, faults)
        if reply.status < 300 and self._dice.roll("semarize garbled", faults.semarize_garbled_share):
            garble(reply, GARBLED[self.garbled % len(GARBLED)])
            self.garbled += 1
        return reply

    def _reply(self, request: Request, faults: Faults) -> Reply:
        if request.path == "/v1/runs" and request.method == "POST":
            return self._create(request, faults)
        if request.path == "/v1/runs":
            newest = sorted(self.run_log.runs.values(), key=lambda run: -run.created)[:50]
            return as_json(200, {"runs": [self._state(run, faults) for run in newest]})
        if request.path.startswith("/v1/runs/"):
            run = self.run_log.runs.get(request.path.removeprefix("/v1/runs/"))
            return as_json(404, {"error": "run_not_found"}) if run is None else as_json(200, self._state(run, faults))
        if request.path == "/v1/kits/schema":
            code = scoring.code_of(request.first("kit_code"), request.first("kit_version_id"))
            return as_json(404, {"error": "kit_not_found"}) if code is None else as_json(200, scoring.schema(code))
        return as_json(404, {"error": "not_found"})

    def _create(self, request: Request, faults: Faults) -> Reply:
        body = request.json()
        rejection = _rejection(body, request.headers.get("idempotency-key"))
        if rejection is not None:
            return rejection
        code = scoring.code_of(body.get("kit_code"), body.get("kit_version_id"))
        if code is None:
            return as_json(404, {"error": "kit_not_found"})
        digest = hashlib.sha256(request.body).hexdigest()
        key = request.headers.get("idempotency-key")
        earlier = self.run_log.by_key.get(key) if key and not faults.semarize_ignores_keys else None
        if earlier is not None and earlier[0] != digest:
            return as_json(409, {"error": "idempotency_key_conflict"})
        run = self.run_log.runs[earlier[1]] if earlier else self._new_run(body, code, faults)
        if key:
            self.run_log.by_key[key] = (digest, run.run_id)
        reply = self._created(run, body, faults)
        reply.disconnects = self._dice.roll("lost answer", faults.semarize_lost_answer_share)
        return reply

    def _created(self, run: Run, body: dict[str, Any], faults: Faults) -> Reply:
        is_sync = body.get("mode") == "sync"
        if is_sync and self._options.semarize_seconds <= _SYNC_TIMEOUT_SECONDS and not faults.semarize_stuck:
            run.created -= self._options.semarize_seconds
            return as_json(200, self._state(run, faults))
        advised = self._options.semarize_retry_after
        headers = {} if advised is None else {"Retry-After": str(advised)}
        return as_json(202, {"run_id": run.run_id, "status": "queued", "run_type": run.run_type}, **headers)

    def _new_run(self, body: dict[str, Any], code: str, faults: Faults) -> Run:
        sent = json.dumps(body["input"], sort_keys=True).encode()
        digest = hashlib.sha256(sent).hexdigest()
        input_key = f"{code}:{digest[:16]}"
        self.run_log.created[input_key] = self.run_log.created.get(input_key, 0) + 1
        run = Run(
            run_id=f"run_{len(self.run_log.runs):08x}",
            code=code,
            version=scoring.version_of(code, faults.kit_version),
            run_type=body.get("type", "api"),
            input_sha256=digest,
            transcript=body["input"].get("transcript"),
            created=time.monotonic(),
            fails=self._dice.roll("failed", faults.semarize_failed_share),
        )
        self.run_log.runs[run.run_id] = run
        return run

    def _state(self, run: Run, faults: Faults) -> dict[str, Any]:
        """The current state of a run."""
        run.reads += 1
        age = time.monotonic() - run.created
        state: dict[str, Any] = {"run_id": run.run_id, "status": "queued", "run_type": run.run_type}
        if faults.semarize_stuck or age < self._options.semarize_seconds / 2:
            return state
        if age < self._options.semarize_seconds:
            return {**state, "status": "running"}
        state |= {"kit_version_id": run.version, "duration_ms": int(self._options.semarize_seconds * 1000)}
        if run.fails:
            errors = {"error_message": "The model gave no answer.", "error_user_message": "Please try again."}
            return {**state, "status": "failed", "error_code": "evaluation_failed", **errors}
        bricks = scoring.bricks_of(run.code, run.transcript)
        return {**state, "status": "succeeded", "output": {"kit_code": run.code, "bricks": bricks}}

    def take_ended(self, faults: Faults) -> list[Run]:
        """Runs that ended since the previous call; marks them as announced."""
        now = time.monotonic()
        ended = [
            run
            for run in self.run_log.runs.values()
            if not run.is_announced
            and now - run.created >= self._options.semarize_seconds
            and not faults.semarize_stuck
        ]
        for run in ended:
            run.is_announced = True
        return ended

    def outputs(self) -> list[dict[str, Any]]:
        """The outputs of all runs."""
        return [
            {
                "run_id": run.run_id,
                "kit_code": run.code,
                "kit_version_id": run.version,
                "input_sha256": run.input_sha256,
                "transcript": run.transcript,
                "bricks": None if run.fails else scoring.bricks_of(run.code, run.transcript),
            }
            for run in self.run_log.runs.values()
        ]


def _rejection(body: Any, key: str | None) -> Reply | None:
    if not isinstance(body, dict):
        return as_json(400, {"error": "invalid_json"})
    if not body.get("kit_code") and not body.get("kit_version_id"):
        return as_json(400, {"error": "kit_code_or_kit_version_id_required"})
    if not isinstance(body.get("input"), dict):
        return as_json(400, {"error": "input_must_be_object"})
    if body.get("type", "api") not in ("api", "sandbox"):
        return as_json(400, {"error": "invalid_run_type"})
    if body.get("mode", "async") not in ("async", "sync"):
        return as_json(400, {"error": "invalid_run_mode"})
    if key is not None and len(key) > _MAX_KEY_LENGTH:
        return as_json(400, {"error": "idempotency_key_too_long"})
    return None
