"""The sandbox's calls: list items and details, generated from the seed, with the irregularities of real data."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from copilot_pipeline.sandbox import dialogue
from copilot_pipeline.sandbox.company import Company, Deal, Rep, zulu
from copilot_pipeline.sandbox.options import SandboxOptions

READY = "POST_PROCESSING_DONE"
PENDING = ("SCHEDULED", "INITIATED", "INPROGRESS", "WAITING_IN_QUEUE", "PROCESSING")
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
_TYPES = ("ZOOM", "GOOGLE_MEET", "MS_TEAMS", "DIALPAD", "RECORDING")  # the last one is undocumented
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


@dataclass(slots=True)
class Call:
    """One call; `changes` replace generated fields."""

    call_id: str
    index: int
    started_at: datetime
    status: str
    modified_at: datetime
    is_private: bool
    rep: Rep
    deal: Deal | None
    trap: str | None
    length: int
    progress: float
    ready_after: float | None = None
    is_removed: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    revision: int = 0


class Calls:
    """All calls, by id."""

    def __init__(self, options: SandboxOptions, company: Company) -> None:
        self._options = options
        self.company = company
        self.by_id: dict[str, Call] = {}
        for index in range(options.days * options.calls_per_day):
            call = self._make(index)
            self.by_id[call.call_id] = call
        self._body = lru_cache(_CACHED_BODIES)(self._make_body)

    def _make(self, index: int) -> Call:
        options = self._options
        rng = random.Random(f"{options.seed}:call:{index}")
        day, place = divmod(index, options.calls_per_day)
        trap = _TRAPS.get(index % _EVERY) if options.traps else None
        began = datetime.combine(options.first_day + timedelta(days=day), time(), UTC)
        started = began + timedelta(
            hours=13, milliseconds=int(9 * 3_600_000 * (place + rng.random()) / options.calls_per_day)
        )
        if trap == "first_instant":
            started = began
        elif trap == "last_instant":
            started = began + timedelta(days=1, milliseconds=-1)
        rep = rng.choice(self.company.sellers)
        theirs = [deal for deal in self.company.deals if deal.rep is rep]
        deal = None if trap == "no_crm" or not theirs or rng.random() < 0.08 else rng.choice(theirs)
        status, ready_after = READY, None
        if options.traps and index % _EVERY in _STATUS_TRAPS:
            status = _OTHER_STATUSES[(index // _EVERY * len(_STATUS_TRAPS) + _STATUS_TRAPS.index(index % _EVERY)) % 15]
            if status in PENDING and options.processing_seconds is not None:
                ready_after = rng.random() * options.processing_seconds
        elif rng.random() < 0.05:
            status = "PROCESSED"
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

    def finish_processing(self, seconds: float) -> None:
        """Set calls to ready whose processing ends within `seconds` after the start of the sandbox."""
        for call in self.by_id.values():
            if call.ready_after is not None and seconds >= call.ready_after:
                call.ready_after = None
                self.change(call, {"status": READY})

    def change(self, call: Call, changes: dict[str, Any]) -> None:
        """Edit a call. Only a new status changes `last_modified_time`, as in the vendor's API."""
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
        item = self._item(call)
        return {**item, **{name: value for name, value in call.changes.items() if name not in _ONLY_IN_DETAILS}}

    def details(self, call: Call) -> dict[str, Any]:
        """The call in a response of `/call-details`."""
        summary = _summary(call)
        details = {**self._item(call), "transcript": self.transcript(call), "summary": summary, **call.changes}
        if call.deal is not None:
            details.setdefault("deal_stage_live", call.deal.stage)
        details["competitor_sentiments"] = _sentiments(details["transcript"])
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
        lines = (
            dialogue.turns(rng, self.company, call.deal, call.rep, call.progress, call.length) if call.length else []
        )
        turns = []
        clock = 2.35
        for who, text in lines:
            seconds = round(0.4 + len(text) / 16, 2)
            turns.append({"text": text, "start": round(clock, 2), "end": round(clock + seconds, 2), "personId": who})
            clock += seconds + rng.choice((0.2, 0.5, 1.1))
        for turn in turns:
            turn["annotations"] = []
        return _with_trap(call, turns, is_first=call.index < _EVERY)

    def _item(self, call: Call) -> dict[str, Any]:
        deal, rep = call.deal, call.rep
        people = deal.prospects if deal else []
        item: dict[str, Any] = {
            "id": call.call_id,
            "title": f"{deal.account} x Acme: {deal.product}" if deal else "Weekly pipeline review",
            "users": [{"userId": rep.user_id, "userEmail": rep.email, "isOrganizer": True, "personId": 0}],
            "externalParticipants": [
                {"name": person.name, "email": person.email, "personId": index + 1}
                for index, person in enumerate(people)
            ],
            "joinedParticipants": [{"name": rep.name}, *({"name": person.name} for person in people)],
            "status": call.status,
            "bot_not_join_reason": [],
            "type": _TYPES[call.index % len(_TYPES)],
            "time": zulu(call.started_at),
            "last_modified_time": zulu(call.modified_at),
            "audio_url": None,
            "video_url": None,
            "disposition": "CALL_CONNECTED_WITH_PROSPECT" if people else "CALL_DID_NOT_CONNECT_WITH_PROSPECT",
            "bookmark_timestamps": [],
            "metrics": _metrics(call),
            "call_review_page_url": f"https://copilot.clari.com/call/{call.call_id}",
        }
        if call.index % 3 == 0:
            item |= {"source_id": f"REQUESTED_POST_{call.index % 7}", "recurring_event_id": f"rec-{call.index % 11}"}
        if deal is not None:
            contacts: list[str] | str = [f"003SBX{call.index % 500:09d}"]
            item |= {
                "deal_name": f"{deal.account} - {deal.product}",
                "deal_value": f"${deal.amount:,}.00" if call.index % 4 == 0 else str(deal.amount),
                "deal_close_date": zulu(deal.close_date),
                "deal_stage_before_call": "Discovery",
                "account_name": deal.account,
                "contact_names": [person.name for person in people],
                "crm_info": {
                    "source_crm": "SALESFORCE",
                    "deal_id": deal.deal_id,
                    "account_id": deal.account_id,
                    "contact_ids": contacts[0] if call.trap == "bare_contact" else contacts,
                },
            }
        if call.trap == "name_only":
            item["externalParticipants"] = []
        if call.trap == "no_metrics":
            del item["metrics"]
        return item


_ONLY_IN_DETAILS = frozenset({"transcript", "summary", "competitor_sentiments", "deal_stage_live"})


def _metrics(call: Call) -> dict[str, Any]:
    if call.status not in (READY, "PROCESSED") or not call.length:
        names = "talk_listen_ratio num_questions_asked num_questions_asked_by_reps call_duration total_speak_duration"
        zeros = dict.fromkeys([*names.split(), "longest_monologue_duration", "longest_monologue_start_time"], 0)
        return {**zeros, "engaging_questions": 0, "categories": []}
    share = round(0.3 + call.index % 37 / 100, 2)
    phrase = {"text": "what does it cost", "user_id": call.rep.user_id, "name": call.rep.name, "time": 64.2}
    return {
        "talk_listen_ratio": share,
        "num_questions_asked": call.length // 5,
        "num_questions_asked_by_reps": call.length // 8,
        "call_duration": call.length * 5 + 30,
        "total_speak_duration": call.length * 4.4000015258789,
        "longest_monologue_duration": 37.4000015258789,
        "longest_monologue_start_time": 41.1000061035156,
        "engaging_questions": call.length // 20,
        "categories": [{"name": "Pricing", "occurences": 1, "phrases_matched": [phrase], "ai_detected": False}],
    }


def _summary(call: Call) -> dict[str, Any]:
    if call.status != READY or not call.length:
        return {}
    odd = call.trap == "nan_summary"
    about = call.deal.product if call.deal else "the pipeline"
    return {
        "full_summary": f"They spoke about {about}, the price and the time it takes to go live.",
        "key_takeaways": ["Price is the open point.", "Security wants a review."]
        if odd
        else "Price is the open point.",
        "topics_discussed": [
            {
                "name": "Pricing",
                "start_timestamp": "NaN" if odd else "5.4",
                "end_timestamp": "NaN" if odd else "210.0",
                "summary": "Tiers compared.",
            }
        ],
        "key_action_items": [
            {
                "action_item": "Send the tier sheet",
                "speaker_name": call.rep.name,
                "start_timestamp": "170.2",
                "end_timestamp": "171.8",
            }
        ],
    }


def _sentiments(turns: Any) -> list[dict[str, Any]]:
    for turn in turns or ():
        if "Globex" in str(turn.get("text", "")):
            return [
                {
                    "competitor_name": "Globex",
                    "sentiment": "NEGATIVE",
                    "reasoning": "Called slow to deploy.",
                    "personId": str(turn.get("personId")),
                    "turn_start_time": str(turn.get("start")),
                }
            ]
    return []


def _with_trap(call: Call, turns: list[dict[str, Any]], *, is_first: bool) -> list[dict[str, Any]]:
    """The turns with the call's trap, if it concerns the transcript."""
    if len(turns) < 6:
        return turns
    if call.trap == "unmatched_speaker":
        turns[3]["personId"] = 7
    elif call.trap == "out_of_order":
        turns[2], turns[4] = turns[4], turns[2]
        turns[1]["end"] = turns[3]["end"]
    elif call.trap == "odd_text":
        turns[1]["text"] = ""
        turns[2]["text"] = "NUL \x00 and half a pair \ud83d, then \U0001f680 \u05e9\u05dc\u05d5\u05dd and e\u0301"
        turns[3]["text"] = 'Line\nbreak, tab\tand "quotes", \\N and \\., 100%; {a,b}'
        turns[4]["text"] = "We have said this before. " * 8000 if is_first else turns[4]["text"]
    return turns
