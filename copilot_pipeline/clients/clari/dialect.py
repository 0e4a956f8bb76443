"""The types shared by the client, its dialects and its callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from copilot_pipeline.clients.clari.models import CallRecord, ListedCall
from copilot_pipeline.errors import RequestRefused

QueryParams = tuple[tuple[str, str], ...]


class TooDeep(RequestRefused):
    """A window holds more calls than paging can reach: split it in time and list the halves.

    The vendor refuses `skip` above 10000 (contract 1.4). `matched` is the number of calls in the window, if known.
    """

    def __init__(self, message: str, *, matched: int | None) -> None:
        super().__init__(message, status=400, code="too_deep")
        self.matched = matched


@dataclass(frozen=True, slots=True)
class ListWindow:
    """Calls that started, or whose status changed, between two aware UTC instants.

    Whether the server's bounds are inclusive is not documented (contract 1.3), so windows should overlap, and calls
    should be deduplicated by id.
    """

    basis: Literal["started", "modified"]
    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where the next page starts. `matched` is the total that an earlier page reported."""

    skip: int
    matched: int | None = None
    previous: str | None = None  # hash of the previous page, to detect a server that repeats pages


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A list item that cannot be parsed, with its id and time if they can be read."""

    body: bytes
    reason: str
    call_id: str | None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing. `matched`, the total of the window, is set on the first page and the last."""

    calls: tuple[ListedCall, ...]
    quarantined: tuple[UnreadableItem, ...]
    next: ListPosition | None
    matched: int | None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dialect supports."""

    has_modified_filter: bool
    has_status: bool
    list_has_transcript: bool
    max_skip: int | None  # largest position of a page
    has_reference: bool = True  # users, topics, scorecards, deals
    ready_statuses: tuple[str, ...] = ()  # statuses of calls whose details can be fetched
    whole_days_only: bool = False  # the API filters by days only; the client filters by time


@dataclass(frozen=True, slots=True)
class Request:
    """A GET request."""

    path: str
    params: QueryParams = ()


@dataclass(frozen=True, slots=True)
class PageBody:
    """A list page as the bytes of its items; other fields are None if the server does not send them."""

    items: tuple[bytes, ...]
    matched: int | None = None
    has_more: bool | None = None
    next_skip: int | None = None


class Dialect(Protocol):
    """The requests and bodies of one description of the API. Pure: the client sends the requests."""

    @property
    def name(self) -> str: ...

    @property
    def default_base_url(self) -> str: ...

    @property
    def largest_page(self) -> int: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def auth_headers(self, api_key: str, api_password: str | None = None) -> dict[str, str]:
        """Return the authentication headers. Raises `ConfigurationError` if a part is missing."""

    def list_request(
        self, window: ListWindow, skip: int, limit: int, *, include_private: bool, with_total: bool
    ) -> Request:
        """Return the request for one page."""

    def details_request(self, call_id: str) -> Request:
        """Return the request for the details of a call."""

    def probe_request(self) -> Request:
        """Return the cheapest request that needs a valid key."""

    def read_page(self, body: bytes) -> PageBody:
        """Split a page into items without parsing them."""

    def read_item(self, body: bytes) -> ListedCall:
        """Parse one item of a page. Raises `UnreadableBody`."""

    def readable_id(self, body: bytes) -> str | None:
        """Return the id of an item that cannot be parsed otherwise, None if it has none."""

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """Return the list item contained in a details body. Raises `UnreadableBody`."""

    def is_plainly_valid(self, body: bytes, call_id: str) -> bool:
        """Whether a quick check shows that a details body is the requested call; if not, `parse_call` decides."""

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """Return the record of stored bodies. Raises `UnreadableBody`, which names a path and a type, never content."""
