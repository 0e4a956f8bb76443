"""The API as a public extraction guide describes it (contract 2): one path, and transcripts in the list.

No other source confirms the guide, so this dialect accepts every interpretation of what the guide leaves open.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from copilot_pipeline.clients.clari.decoding import (
    content_hash,
    decode,
    expect_id,
    expect_mapping,
    identifier,
    mapping,
    mappings,
    moment,
    number,
    split_page,
    text,
    texts,
)
from copilot_pipeline.clients.clari.dialect import Capabilities, ListWindow, PageBody, Request
from copilot_pipeline.clients.clari.models import (
    CallRecord,
    CrmLink,
    ListedCall,
    Person,
    Readiness,
    Segment,
    Side,
    Summary,
    VendorAnalytics,
)
from copilot_pipeline.errors import ConfigurationError, UnreadableBody

_PATH = "/call-details"
_ID_FIELDS = ("call_id", "id")
_TIME_FIELDS = ("started_at", "start_time", "date", "timestamp", "time", "call_date")
_SIDES = {
    **dict.fromkeys(("rep", "internal", "seller", "host", "agent", "sales_rep"), Side.REP),
    **dict.fromkeys(("prospect", "external", "customer", "buyer", "client", "guest"), Side.PROSPECT),
}


class GuideDialect:
    """The API of the guide."""

    name = "guide"
    default_base_url = "https://api.copilot.clari.com"
    largest_page = 50  # from the guide's example; the maximum is not documented
    capabilities = Capabilities(
        has_modified_filter=False,
        has_status=False,
        list_has_transcript=True,
        max_skip=None,
        has_reference=False,
        whole_days_only=True,
    )

    def auth_headers(self, api_key: str, api_password: str | None = None) -> dict[str, str]:
        """Return one header; this dialect has no password."""
        if not api_key.strip():
            raise ConfigurationError("clari: the guide dialect needs the API key")
        return {"Authorization": f"ApiKey {api_key.strip()}"}

    def list_request(
        self, window: ListWindow, skip: int, limit: int, *, include_private: bool, with_total: bool
    ) -> Request:
        """Return a request for whole days, up to the day after the last one; the client filters by time."""
        if window.basis != "started":
            raise ConfigurationError("clari: the guide dialect cannot list by modification time")
        first = window.after.astimezone(UTC).date()
        end = window.before.astimezone(UTC).date() + timedelta(days=1)
        return Request(
            _PATH,
            (
                ("start_date", first.isoformat()),
                ("end_date", end.isoformat()),
                ("offset", str(skip)),
                ("limit", str(limit)),
            ),
        )

    def details_request(self, call_id: str) -> Request:
        """Return a request for the same path with an id."""
        return Request(_PATH, (("call_id", call_id),))

    def probe_request(self) -> Request:
        """Return a request for one call of today."""
        today = datetime.now(UTC).date()
        tomorrow = today + timedelta(days=1)
        return Request(
            _PATH,
            (("start_date", today.isoformat()), ("end_date", tomorrow.isoformat()), ("offset", "0"), ("limit", "1")),
        )

    def read_page(self, body: bytes) -> PageBody:
        """Split an array of calls, bare or under `calls`.

        The end of a listing is not documented, and a server may return smaller pages than requested. So only an empty
        page is the end, which costs one more request per listing.
        """
        items, _ = split_page(body, bare_array_allowed=True)
        return PageBody(tuple(items), has_more=bool(items))

    def read_item(self, body: bytes) -> ListedCall:
        """Parse a call. Without a status and a modification time, the hash of its content is its version."""
        item = expect_mapping(decode(body), "$")
        fingerprint = content_hash(item)
        return ListedCall(
            call_id=_call_id_of(item, "$"),
            started_at=_started_at_of(item, "$"),
            modified_at=None,
            status_raw=None,
            readiness=Readiness.READY if item.get("transcript") else Readiness.PENDING,
            version=fingerprint,
            content_hash=fingerprint,
            body=body,
            has_details=True,
        )

    def readable_id(self, body: bytes) -> str | None:
        """Return the id of an item that is an object but cannot be parsed otherwise."""
        try:
            return _call_id_of(expect_mapping(decode(body), "$"), "$")
        except UnreadableBody:
            return None

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """Return the call; in this dialect a list item is the whole call."""
        _, call = _chosen(decode(body), call_id)
        return self.read_item(msgspec.json.encode(call))

    def is_plainly_valid(self, body: bytes, call_id: str) -> bool:
        """Never plainly: the guide leaves several shapes possible."""
        return False

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """Return the record. List item and details have the same fields, so the later of the two is used."""
        item = None if listed is None else expect_mapping(decode(listed), "$")
        requested_id = call_id or (None if item is None else _call_id_of(item, "$"))
        if details is not None and (item is None or not listed_is_newer):
            path, call = _chosen(decode(details), requested_id)
        elif item is not None:
            path, call = "$", item
        else:
            raise UnreadableBody("$: no body to read")
        if requested_id is not None and _call_id_of(call, path) != requested_id:
            raise UnreadableBody(f"{path}.call_id: not the requested id")
        return _build_record(call, path)


def _chosen(value: Any, requested_id: str | None) -> tuple[str, dict[str, Any]]:
    """Return the call from any shape that the guide allows: `{"calls": []}`, `{"call": {}}`, `[]`, or bare."""
    path = "$"
    for key in ("calls", "call"):
        if isinstance(value, dict) and key in value:
            path, value = f"$.{key}", value[key]
            break
    if not isinstance(value, list):
        return path, expect_mapping(value, path)
    for index, call in enumerate(value):
        if isinstance(call, dict) and requested_id in (None, *(identifier(call.get(key)) for key in _ID_FIELDS)):
            return f"{path}[{index}]", call
    raise UnreadableBody(f"{path}: contains no call with the requested id" if value else f"{path}: contains no call")


def _call_id_of(call: dict[str, Any], path: str) -> str:
    ids = (identifier(call.get(key)) for key in _ID_FIELDS)
    return expect_id(next((call_id for call_id in ids if call_id is not None), None), f"{path}.call_id")


def _started_at_of(call: dict[str, Any], path: str) -> datetime:
    for key in _TIME_FIELDS:
        if (started_at := moment(call.get(key))) is not None:
            return started_at
    raise UnreadableBody(f"{path}.started_at: expected a date-time")


def _build_record(call: dict[str, Any], path: str) -> CallRecord:
    people = _people(call)
    segments = _segments(call.get("transcript"), f"{path}.transcript", people)
    listed_ids = {person.person_id for person in people}
    speakers = dict.fromkeys(segment.person_id for segment in segments if segment.person_id is not None)
    # A turn names its speaker, who may be missing in the list of participants.
    people += tuple(
        Person(name, name, None, None, Side.UNKNOWN, is_listed=False) for name in speakers if name not in listed_ids
    )
    analytics = mapping(call.get("analytics"))
    share = number(mapping(analytics.get("talk_ratio")).get("rep"))
    return CallRecord(
        call_id=_call_id_of(call, path),
        started_at=_started_at_of(call, path),
        modified_at=None,
        status_raw=None,
        readiness=Readiness.READY if segments else Readiness.PENDING,
        title=text(call.get("title")),
        call_type=text(call.get("type")),
        disposition=None,
        duration_s=number(call.get("duration")),
        review_url=text(call.get("call_review_page_url")),
        source_id=text(call.get("source_id")),
        recurring_event_id=None,
        people=people,
        segments=segments,
        analytics=VendorAnalytics(
            rep_talk_share=share if share is not None and 0 <= share <= 1 else None,
            topics=tuple(dict.fromkeys(texts(analytics.get("topics")))),
        ),
        crm=_crm(call),
        summary=Summary(text=text(call.get("summary"))),
    )


def _people(call: dict[str, Any]) -> tuple[Person, ...]:
    """Return the participants; their ids are their names, because a turn of the transcript refers to a name."""
    by_id: dict[str, Person] = {}
    for entry in mappings(call.get("participants")):
        name, email = text(entry.get("name")), text(entry.get("email"))
        person_id = name or email
        if person_id is not None and person_id not in by_id:
            side = _SIDES.get((text(entry.get("role")) or "").casefold(), Side.UNKNOWN)
            by_id[person_id] = Person(person_id, name, email, text(entry.get("phone")), side)
    return tuple(by_id.values())


def _segments(turns: Any, path: str, people: tuple[Person, ...]) -> tuple[Segment, ...]:
    if turns is None:
        return ()
    if not isinstance(turns, list):
        raise UnreadableBody(f"{path}: expected an array")
    names = _SpeakerNames(people)
    segments = []
    for index, turn in enumerate(turns):
        if type(turn) is not dict:
            raise UnreadableBody(f"{path}[{index}]: expected an object")
        spoken = turn.get("text")
        if spoken is not None and type(spoken) is not str:
            raise UnreadableBody(f"{path}[{index}].text: expected text")
        speaker = turn.get("speaker")
        person_id = names[speaker] if type(speaker) is str else text(speaker)
        segments.append(Segment(person_id, spoken or "", number(turn.get("start")), number(turn.get("end"))))
    return tuple(segments)


class _SpeakerNames(dict[str, str | None]):
    """Person ids by the name of a speaker, without regard to case. Each name is resolved once."""

    def __init__(self, people: tuple[Person, ...]) -> None:
        super().__init__((person.person_id, person.person_id) for person in people)
        self._folded = {person.person_id.casefold(): person.person_id for person in reversed(people)}

    def __missing__(self, speaker: str) -> str | None:
        name = text(speaker)
        self[speaker] = None if name is None else self._folded.get(name.casefold(), name)
        return self[speaker]


def _crm(call: dict[str, Any]) -> CrmLink:
    """Return the CRM fields under any likely name: the guide mentions the data without naming the fields."""
    crm = {**call, **mapping(call.get("crm"))}

    def first(*keys: str) -> str | None:
        return next((value for key in keys if (value := text(crm.get(key))) is not None), None)

    return CrmLink(
        system=first("source_crm", "system"),
        account_id=first("account_id"),
        deal_id=first("opportunity_id", "deal_id"),
        contact_ids=texts(crm.get("contact_ids")),
        account_name=first("account_name", "account"),
        deal_name=first("opportunity_name", "deal_name", "opportunity"),
        deal_value=first("deal_value", "amount"),
        deal_stage_before_call=first("stage", "deal_stage"),
        deal_close_date=moment(crm.get("close_date")),
    )
