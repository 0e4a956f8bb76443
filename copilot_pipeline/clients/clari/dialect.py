"""What the client and its dialects say to each other and to their callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from copilot_pipeline.clients.clari.models import CallRecord, ListedCall
from copilot_pipeline.errors import RequestRefused

QueryParams = tuple[tuple[str, str], ...]


class TooDeep(RequestRefused):
    """A window holds more calls than paging can reach: cut it in time and ask again.

    The vendor refuses `skip` above 10000 (contract 1.4). `matched` is the size of the window where it is known.
    """

    def __init__(self, message: str, *, matched: int | None) -> None:
        super().__init__(message, status=400, code="too_deep")
        self.matched = matched


@dataclass(frozen=True, slots=True)
class ListWindow:
    """Calls that started, or whose status changed, between two aware UTC instants.

    Whether the server's bounds are inclusive is not documented (contract 1.3): windows should overlap, and calls be
    told apart by id.
    """

    basis: Literal["started", "modified"]
    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where the next page starts. `matched` and `previous` carry what the pages before it told."""

    skip: int
    matched: int | None = None
    previous: str | None = None  # fingerprint of the page before, to notice a server that repeats itself


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A listed call that could not be read: kept aside so that the others of its page go on."""

    body: bytes
    reason: str
    call_id: str | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing. `matched`, the size of the window, comes with its first page and its last."""

    calls: tuple[ListedCall, ...]
    quarantined: tuple[UnreadableItem, ...]
    next: ListPosition | None
    matched: int | None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dialect can do, so that those who plan windows need not know its name."""

    has_modified_filter: bool
    has_status: bool
    list_has_transcript: bool
    max_skip: int | None  # deepest position a listing may start from
    has_reference: bool = True  # users, topics, scorecards, deals
    ready_statuses: tuple[str, ...] = ()  # what to ask for in order to count the calls whose details can be fetched
    whole_days_only: bool = False  # windows can only be asked for in days; the client cuts them to size


@dataclass(frozen=True, slots=True)
class Request:
    """A GET request to be sent."""

    path: str
    params: QueryParams = ()


@dataclass(frozen=True, slots=True)
class PageBody:
    """A list page cut into items; the last three are None where the server does not say."""

    items: tuple[bytes, ...]
    matched: int | None = None
    has_more: bool | None = None
    next_skip: int | None = None


class Dialect(Protocol):
    """How one description of the API asks and answers. Pure: no dialect ever sends anything itself."""

    @property
    def name(self) -> str: ...

    @property
    def default_base_url(self) -> str: ...

    @property
    def largest_page(self) -> int: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def auth_headers(self, api_key: str, api_password: str | None = None) -> dict[str, str]:
        """The headers that prove who asks; raises `ConfigurationError` when a part is missing."""

    def list_request(
        self, window: ListWindow, skip: int, limit: int, *, include_private: bool, with_total: bool
    ) -> Request:
        """The request for one page."""

    def details_request(self, call_id: str) -> Request:
        """The request for one call, whole."""

    def probe_request(self) -> Request:
        """The cheapest request that only a valid key can make."""

    def read_page(self, body: bytes) -> PageBody:
        """A page cut into items, none of them read yet."""

    def read_item(self, body: bytes) -> ListedCall:
        """One item of a page; raises `UnreadableBody`."""

    def readable_id(self, body: bytes) -> str | None:
        """The id of an item that could not be read otherwise."""

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """The call of a details answer as a list would show it; raises `UnreadableBody`."""

    def looks_whole(self, body: bytes, call_id: str) -> bool:
        """Whether a details answer is plainly the call asked for; if not, it takes `parse_call` to tell."""

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """The record, from stored bodies; raises `UnreadableBody`, naming a place and a kind, never content."""
