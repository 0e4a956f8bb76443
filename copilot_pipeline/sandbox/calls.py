"""The sandbox's calls, generated from the seed with irregular data."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from copilot_pipeline.sandbox import dialogue
from copilot_pipeline.sandbox.call import PENDING, READY, Call
from copilot_pipeline.sandbox.call_bodies import competitor_sentiments, list_item, summary, turns_with_trap
from copilot_pipeline.sandbox.company import Company
from copilot_pipeline.sandbox.conversations import planned_turns, topics_in
from copilot_pipeline.sandbox.history import PlannedCall
from copilot_pipeline.sandbox.options import SandboxOptions

_OTHER_STATUSES = (
    *PENDING,
    "CALL_DID_NOT_HAPPEN",
    "IGNORED_BY_USER",
    "BOTJOIN_DISABLED",
    "NO_DATA_INCALL",
    "NOBODY_JOINED_CALL",
    "BOTJOIN_DENIED",
    "UNABLE_TO_JOIN",
    "ERROR_IN_TRANSCRIBE",
    "ERROR_IN_PROCESSING",
    "ERROR_IN_RECORDING",
)
_EVERY = 40  # each trap occurs once in this many calls
_TRAPS = {
    0: "first_instant",
    1: "last_instant",
    3: "no_crm",
    5: "unmatched_speaker",
    8: "out_of_order",
    11: "odd_text",
    14: "private",
    17: "silent",
    20: "name_only",
    23: "bare_contact",
    26: "no_metrics",
    29: "nan_summary",
}
_STATUS_TRAPS = (6, 12, 18, 24, 30)  # calls with other statuses
_CACHED_BODIES = 4096
_ONLY_IN_DETAILS = frozenset({"transcript", "summary", "competitor_sentiments", "deal_stage_live"})


class Calls:
    """All calls, by id."""

    def __init__(self, options: SandboxOptions, company: Company, planned: Sequence[PlannedCall] = ()) -> None:
        """Make the planned calls, or without any, `calls_per_day` calls on each day."""
        self._options = options
        self.company = company
        made = (
            [self._make_planned(index, plan) for index, plan in enumerate(planned)]
            if planned
            else [self._make(index) for index in range(options.days * options.calls_per_day)]
        )
        self.by_id = {call.call_id: call for call in made}
        self._processing = [call for call in made if call.ready_after is not None]
        self._body = lru_cache(_CACHED_BODIES)(self._make_body)
        self._topics = lru_cache(_CACHED_BODIES)(self._find_topics)

    def _make(self, index: int) -> Call:
        options = self._options
        rng = random.Random(f"{options.seed}:call:{index}")
        day, number = divmod(index, options.calls_per_day)
        trap = _TRAPS.get(index % _EVERY) if options.traps else None
        start = datetime.combine(options.first_day + timedelta(days=day), time(), UTC)
        started = start + timedelta(
            hours=13, milliseconds=int(9 * 3_600_000 * (number + rng.random()) / options.calls_per_day)
        )
        if trap == "first_instant":
            started = start
        elif trap == "last_instant":
            started = start + timedelta(days=1, milliseconds=-1)
        rep = rng.choice(self.company.sellers)
        theirs = [deal for deal in self.company.deals if deal.rep is rep]
        deal = None if trap == "no_crm" or not theirs or rng.random() < 0.08 else rng.choice(theirs)
        status, ready_after = self._status(rng, index)
        return Call(
            call_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            index=index,
            started_at=started,
            status=status,
            modified_at=started + timedelta(minutes=rng.randint(25, 150), milliseconds=rng.randint(0, 999)),
            is_private=trap == "private",
            rep=rep,
            deal=deal,
            trap=trap,
            length=0 if trap == "silent" else max(0, int(rng.gauss(options.segments, options.segments / 5))),
            progress=day / max(1, options.days - 1),
            ready_after=ready_after,
        )

    def _make_planned(self, index: int, plan: PlannedCall) -> Call:
        options = self._options
        rng = random.Random(f"{options.seed}:planned:{index}")
        trap = _TRAPS.get(index % _EVERY) if options.traps else None
        status, ready_after = self._status(rng, index)
        return Call(
            call_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            index=index,
            started_at=plan.at,
            status=status,
            modified_at=plan.at + timedelta(minutes=rng.randint(25, 150), milliseconds=rng.randint(0, 999)),
            is_private=trap == "private",
            rep=plan.deal.rep,
            deal=None if trap == "no_crm" else plan.deal,
            trap=trap,
            length=0 if trap == "silent" else max(6, int(rng.gauss(options.segments, options.segments / 5))),
            progress=0.0,
            ready_after=ready_after,
            plan=plan,
        )

    def _status(self, rng: random.Random, index: int) -> tuple[str, float | None]:
        """The status, and if it is pending, the seconds after which it becomes ready."""
        options = self._options
        if options.traps and index % _EVERY in _STATUS_TRAPS:
            status = _OTHER_STATUSES[(index // _EVERY * len(_STATUS_TRAPS) + _STATUS_TRAPS.index(index % _EVERY)) % 15]
            if status in PENDING and options.processing_seconds is not None:
                return status, rng.random() * options.processing_seconds
            return status, None
        return ("PROCESSED" if rng.random() < 0.05 else READY), None

    def finish_processing(self, seconds: float) -> None:
        """Set calls to ready whose processing takes no longer than `seconds`."""
        ready = [call for call in self._processing if call.ready_after is not None and seconds >= call.ready_after]
        for call in ready:
            call.ready_after = None
            self.change(call, {"status": READY})
            self._processing.remove(call)

    def change(self, call: Call, changes: dict[str, Any]) -> None:
        """Edit a call.

        Only a new status changes `last_modified_time`, as in the vendor's API.
        """
        call.revision += 1
        for name, value in changes.items():
            if name == "status":
                call.status, call.modified_at = str(value), datetime.now(UTC)
            elif name == "time":
                call.started_at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
            elif name == "removed":
                call.is_removed = bool(value)
            elif name == "private":
                call.is_private = bool(value)
            else:
                call.changes[name] = value

    # --- bodies ------------------------------------------------------------------------------------------------

    def item(self, call: Call) -> dict[str, Any]:
        """The call as `/calls` lists it."""
        item = self._generated(call)
        return {**item, **{name: value for name, value in call.changes.items() if name not in _ONLY_IN_DETAILS}}

    def _generated(self, call: Call) -> dict[str, Any]:
        item = list_item(call)
        if call.plan is None or "metrics" not in item:
            return item
        return {**item, "metrics": {**item["metrics"], "categories": self._topics(call.call_id, call.revision)}}

    def _find_topics(self, call_id: str, _revision: int) -> list[dict[str, Any]]:
        call = self.by_id[call_id]
        return topics_in(call, self.transcript(call))

    def details(self, call: Call) -> dict[str, Any]:
        """The call in a response of `/call-details`."""
        details = {
            **self._generated(call),
            "transcript": self.transcript(call),
            "summary": summary(call),
            **call.changes,
        }
        if call.deal is not None:
            details.setdefault("deal_stage_live", call.deal.stage)
        details["competitor_sentiments"] = competitor_sentiments(details["transcript"])
        return details

    def body(self, call: Call) -> bytes:
        """The body of a response of `/call-details`."""
        return self._body(call.call_id, call.revision)

    def _make_body(self, call_id: str, revision: int) -> bytes:
        return json.dumps({"call": self.details(self.by_id[call_id])}, separators=(",", ":")).encode()

    def transcript(self, call: Call) -> list[dict[str, Any]]:
        """The turns; empty if the call is not ready."""
        if call.status not in (READY, "PROCESSED"):
            return []
        rng = random.Random(f"{self._options.seed}:turns:{call.index}")
        lines = self._lines(rng, call) if call.length else []
        turns = []
        clock = 2.35
        for who, text in lines:
            seconds = round(0.4 + len(text) / 16, 2)
            turns.append({"text": text, "start": round(clock, 2), "end": round(clock + seconds, 2), "personId": who})
            clock += seconds + rng.choice((0.2, 0.5, 1.1))
        for turn in turns:
            turn["annotations"] = []
        return turns_with_trap(call, turns, is_first=call.index < _EVERY)

    def _lines(self, rng: random.Random, call: Call) -> list[tuple[int, str]]:
        if call.plan is not None:
            return planned_turns(rng, call.plan, call.length)
        return dialogue.turns(rng, self.company, call.deal, call.rep, call.progress, call.length)
