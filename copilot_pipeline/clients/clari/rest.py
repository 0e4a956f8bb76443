"""The vendor's own API: `/calls` lists calls, `/call-details?id=` returns one with its transcript."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from copilot_pipeline.clients.clari.decoding import (
    content_hash,
    count,
    decode,
    expect_id,
    expect_mapping,
    flag,
    identifier,
    moment,
    split_page,
    text,
)
from copilot_pipeline.clients.clari.dialect import Capabilities, ListWindow, PageBody, Request
from copilot_pipeline.clients.clari.models import CallRecord, ListedCall
from copilot_pipeline.clients.clari.rest_record import READY_STATUSES, build_record, readiness_of
from copilot_pipeline.errors import ConfigurationError, UnreadableBody

# Fields that only /call-details has (contract 1.6).
_DETAIL_ONLY = frozenset({"transcript", "summary", "competitor_sentiments", "deal_stage_live"})
# Absent if the call has no match in the CRM (contract trap 12): their absence is information and is never filled in.
_CRM_FIELDS = frozenset(
    (
        "deal_name",
        "deal_value",
        "deal_close_date",
        "deal_stage_before_call",
        "account_name",
        "contact_names",
        "crm_info",
    )
)
_LIST_FIELDS = _CRM_FIELDS | frozenset(
    (
        "id",
        "source_id",
        "title",
        "users",
        "externalParticipants",
        "joinedParticipants",
        "status",
        "bot_not_join_reason",
        "type",
        "time",
        "icaluid",
        "calendar_id",
        "recurring_event_id",
        "original_start_time",
        "last_modified_time",
        "audio_url",
        "video_url",
        "disposition",
        "bookmark_timestamps",
        "metrics",
        "call_review_page_url",
    )
)


class _PlainCall(msgspec.Struct):
    id: str
    time: str
    transcript: msgspec.Raw


class _PlainBody(msgspec.Struct):
    call: _PlainCall


_PLAIN_BODY = msgspec.json.Decoder(_PlainBody)


class RestDialect:
    """The API of the vendor's documentation."""

    name = "rest"
    default_base_url = "https://rest-api.copilot.clari.com"
    largest_page = 100
    capabilities = Capabilities(
        has_modified_filter=True,
        has_status=True,
        list_has_transcript=False,
        has_reference=True,
        max_skip=10_000,
        ready_statuses=READY_STATUSES,
    )

    def auth_headers(self, api_key: str, api_password: str | None = None) -> dict[str, str]:
        """Return the two headers (contract 1.1), without surrounding blanks, a common mistake (1.8)."""
        if not api_key.strip() or not (api_password or "").strip():
            raise ConfigurationError("clari: the rest dialect needs both the API key and the API password")
        return {"X-Api-Key": api_key.strip(), "X-Api-Password": (api_password or "").strip()}

    def list_request(
        self, window: ListWindow, skip: int, limit: int, *, include_private: bool, with_total: bool
    ) -> Request:
        """Return a request for `/calls`. Both flags are in lower case, `includePrivate` as text (contract 1.3)."""
        kind, sort = ("Time", "sortTime") if window.basis == "started" else ("Modified", "sortProcessed")
        return Request(
            "/calls",
            (
                (f"filter{kind}Gt", instant(window.after, up=False)),
                (f"filter{kind}Lt", instant(window.before, up=True)),
                (sort, "asc"),
                ("skip", str(skip)),
                ("limit", str(limit)),
                ("includePrivate", "true" if include_private else "false"),
                ("includePagination", "true" if with_total else "false"),
            ),
        )

    def details_request(self, call_id: str) -> Request:
        """Return a request for `/call-details` without signed media URLs."""
        return Request("/call-details", (("id", call_id),))

    def probe_request(self) -> Request:
        """Return a request for one call without the total."""
        return Request("/calls", (("limit", "1"), ("includePagination", "false")))

    def read_page(self, body: bytes) -> PageBody:
        """Split the items under `calls` and read `pagination` if present."""
        items, pagination = split_page(body)
        return PageBody(
            tuple(items),
            matched=count(pagination.get("matched")),
            has_more=flag(pagination.get("hasMore")),
            next_skip=count(pagination.get("nextPageSkip")),
        )

    def read_item(self, body: bytes) -> ListedCall:
        """Parse a list item. Its version changes with `last_modified_time`, the last status change (trap 1)."""
        item = expect_mapping(decode(body), "$")
        status = text(item.get("status"))
        return ListedCall(
            call_id=call_id_of(item, "$"),
            started_at=started_at_of(item, "$"),
            modified_at=moment(item.get("last_modified_time")),
            status_raw=status,
            readiness=readiness_of(status),
            version=f"{text(item.get('last_modified_time')) or ''}|{status or ''}",
            content_hash=content_hash(item),
            body=body,
        )

    def readable_id(self, body: bytes) -> str | None:
        """Return the id of an item that is an object but cannot be parsed otherwise."""
        try:
            return identifier(expect_mapping(decode(body), "$").get("id"))
        except UnreadableBody:
            return None

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """Return the fields of a list item from a details body."""
        path, call = _unwrapped(decode(body))
        if call_id_of(call, path) != call_id:
            raise UnreadableBody(f"{path}.id: not the requested id")
        return self.read_item(
            msgspec.json.encode({key: value for key, value in call.items() if key not in _DETAIL_ONLY})
        )

    def is_plainly_valid(self, body: bytes, call_id: str) -> bool:
        """Whether the body is `{"call": {"id": …, "transcript": […]}}` with the requested id and a time."""
        try:
            call = _PLAIN_BODY.decode(body).call
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return call.id == call_id and bool(call.time) and bytes(call.transcript).startswith(b"[")

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """Return the record. Details override the list item unless the item is newer."""
        item = None if listed is None else expect_mapping(decode(listed), "$")
        requested_id = call_id or (None if item is None else call_id_of(item, "$"))
        path, call = ("$", item) if details is None else _unwrapped(decode(details))
        if call is None:
            raise UnreadableBody("$: there is no body")
        call_id_in_body = call_id_of(call, path)
        if requested_id not in (None, call_id_in_body):
            raise UnreadableBody(f"{path}.id: not the requested id")
        if item is not None and details is not None:
            if call_id_of(item, "$") != call_id_in_body:
                raise UnreadableBody("$.id: list item and details are of different calls")
            call = _merged(item, call, listed_is_newer=listed_is_newer)
        return build_record(call, call_id_in_body, started_at_of(call, path), path)


def _unwrapped(value: Any) -> tuple[str, dict[str, Any]]:
    """Return the call inside `{"call": {...}}` and its path."""
    body = expect_mapping(value, "$")
    if "call" not in body and "id" in body:
        return "$", body
    return "$.call", expect_mapping(body.get("call"), "$.call")


def _merged(item: dict[str, Any], call: dict[str, Any], *, listed_is_newer: bool) -> dict[str, Any]:
    """Merge a list item and details that were received at different times."""
    listed = {key: value for key, value in item.items() if key not in _DETAIL_ONLY}
    if listed_is_newer:
        return {key: value for key, value in call.items() if key not in _LIST_FIELDS} | listed
    return {key: value for key, value in listed.items() if key not in _CRM_FIELDS} | call


def call_id_of(call: dict[str, Any], path: str) -> str:
    """Return the id. Raises `UnreadableBody` if it is missing."""
    return expect_id(call.get("id"), f"{path}.id")


def started_at_of(call: dict[str, Any], path: str) -> datetime:
    """Return the time, which determines the partition. Raises `UnreadableBody` if it is missing."""
    started_at = moment(call.get("time"))
    if started_at is None:
        raise UnreadableBody(f"{path}.time: expected a date-time")
    return started_at


def instant(value: datetime, *, up: bool) -> str:
    """Return a time as in the API's examples, with Z: a raw + would be decoded as a blank (trap 23).

    Rounded to the millisecond, the API's resolution, outwards, so that a window never shrinks.
    """
    moment_utc = value.astimezone(UTC)
    if moment_utc.microsecond == 0:
        return moment_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    milliseconds = moment_utc.microsecond / 1000
    whole = math.ceil(milliseconds) if up else math.floor(milliseconds)
    rounded = moment_utc.replace(microsecond=0) + timedelta(milliseconds=whole)
    return rounded.strftime("%Y-%m-%dT%H:%M:%S.") + f"{rounded.microsecond // 1000:03d}Z"
