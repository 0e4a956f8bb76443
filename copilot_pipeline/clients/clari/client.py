"""The client: builds requests with a dialect, pages through windows, and returns bodies unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from copilot_pipeline.clients.clari.decoding import readable_time
from copilot_pipeline.clients.clari.dialect import (
    Capabilities,
    Dialect,
    ListPage,
    ListPosition,
    ListWindow,
    PageBody,
    Request,
    TooDeep,
    UnreadableItem,
)
from copilot_pipeline.clients.clari.models import Account, CallRecord, Deal, ListedCall, Scorecard, Topic, User
from copilot_pipeline.clients.clari.paging import next_position
from copilot_pipeline.clients.clari.reference import (
    parse_account,
    parse_deal,
    parse_scorecards,
    parse_topics,
    parse_users,
)
from copilot_pipeline.clients.clari.rest import instant
from copilot_pipeline.clients.http import HttpClient
from copilot_pipeline.clients.json_body import is_json
from copilot_pipeline.errors import (
    BodyTooLarge,
    NotFound,
    PipelineError,
    RequestRefused,
    TemporaryFailure,
    UnreadableBody,
)

_BAD_GATEWAY = 502  # the gateway's response if a page would be larger than about 6 MB (contract 0.4)
_SCORECARD_PAGE = 100
_SCORECARD_MAX_SKIP = 10_000

Parsed = TypeVar("Parsed")


class ClariClient:
    """Reads calls, users, topics, scorecards, deals and accounts. Thread-safe."""

    def __init__(
        self,
        dialect: Dialect,
        http: HttpClient,
        *,
        include_private: bool = False,
        page_size: int = 100,
        on_page_size: Callable[[int], None] | None = None,
        counts_records: bool = False,
    ) -> None:
        self._dialect = dialect
        self._counts_records = counts_records  # the rate limit counts records instead of requests, as in the guide
        self._http = http
        self._include_private = include_private
        self._page_size = max(1, min(page_size, dialect.largest_page))
        self._on_page_size = on_page_size

    @property
    def has_succeeded(self) -> bool:
        """Whether the server has accepted the credentials."""
        return self._http.has_succeeded

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        return self._dialect.capabilities

    @property
    def includes_private(self) -> bool:
        """Whether the list contains private calls too."""
        return self._include_private

    @property
    def page_size(self) -> int:
        """The number of calls per page; it is halved when the server refuses a page as too large."""
        return self._page_size

    def list_page(self, window: ListWindow, position: ListPosition | None = None) -> ListPage:
        """Return the first page of a window, or the page at a position.

        Only the first page and the last request the total, which is slow: if the two differ, calls entered or left the
        window. Raises `TooDeep` if the window holds more calls than paging can reach, `PipelineError` if the server
        repeats a page or does not advance.
        """
        current = position or ListPosition(0)
        max_skip = self.capabilities.max_skip
        if max_skip is not None and current.skip > max_skip:
            raise TooDeep(f"clari: the window continues beyond skip {max_skip}", matched=current.matched)
        is_last = current.matched is None or current.skip + self._page_size >= current.matched
        page, limit = self._fetch_page(window, current.skip, with_total=is_last)
        matched = page.matched
        if max_skip is not None and matched is not None and matched > max_skip:
            raise TooDeep(f"clari: the window holds {matched} calls, beyond skip {max_skip}", matched=matched)
        fingerprint = hashlib.sha256(b"\n".join(page.items)).hexdigest() if page.items else None
        if fingerprint is not None and fingerprint == current.previous:
            raise PipelineError(f"clari: the page at skip {current.skip} repeats the previous page")
        calls, quarantined = self._read_items(page, window)
        total = current.matched if matched is None else matched
        return ListPage(calls, quarantined, next_position(page, current.skip, limit, total, fingerprint), matched)

    def _fetch_page(self, window: ListWindow, skip: int, *, with_total: bool) -> tuple[PageBody, int]:
        """Return a page and its size, which is halved on 502: retrying a page that is too large never helps (trap 4).

        The same if it exceeds our own limit. A smaller size is kept only after it has worked: if even a page of one
        call gets 502, size is not the reason.
        """
        limit = self._page_size
        while True:
            request = self._dialect.list_request(
                window, skip, limit, include_private=self._include_private, with_total=with_total
            )
            try:
                body = self._get(
                    request,
                    units=limit if self._counts_records else 1,
                    no_retry_on=frozenset({_BAD_GATEWAY} if limit > 1 else ()),
                )
            except (TemporaryFailure, BodyTooLarge) as error:
                is_too_large = isinstance(error, BodyTooLarge) or error.status == _BAD_GATEWAY
                if not is_too_large or limit == 1:
                    raise
                limit //= 2
                continue
            if limit < self._page_size:
                self._page_size = limit
                if self._on_page_size is not None:
                    self._on_page_size(limit)
            try:
                return self._dialect.read_page(body), limit
            except UnreadableBody as error:
                problem = f"clari: the list page at skip {skip} cannot be parsed: {error}"
                raise UnreadableBody(problem, body=body) from None

    def _read_items(
        self, page: PageBody, window: ListWindow
    ) -> tuple[tuple[ListedCall, ...], tuple[UnreadableItem, ...]]:
        """Parse the calls of a page. An item that cannot be parsed does not affect the others."""
        calls: list[ListedCall] = []
        quarantined: list[UnreadableItem] = []
        for body in page.items:
            try:
                call = self._dialect.read_item(body)
            except UnreadableBody as error:
                call_id, started_at = self._dialect.readable_id(body), readable_time(body)
                quarantined.append(UnreadableItem(body, str(error), call_id, started_at))
                continue
            if not self.capabilities.whole_days_only or window.after <= call.started_at <= window.before:
                calls.append(call)
        return tuple(calls), tuple(quarantined)

    def get_details(self, call_id: str, is_readable: Callable[[bytes], bool] = is_json) -> bytes:
        """Return the details of a call as received. Raises `NotFound` for an unknown id, also on 400 (contract 1.8)."""
        try:
            return self._get(self._dialect.details_request(call_id), is_readable=is_readable)
        except RequestRefused as error:
            if error.status == 400:
                raise NotFound(str(error), status=400, code=error.code) from None
            raise

    def get_valid_details(self, call_id: str) -> bytes:
        """Return the details of a call, checked.

        A usual body is checked without parsing its transcript, in a tenth of the time: one that cannot be parsed is
        quarantined when tables are built. Raises `NotFound`, and `UnreadableBody` with the body of another call.
        """
        is_plainly_valid = False

        def is_readable(body: bytes) -> bool:
            nonlocal is_plainly_valid
            is_plainly_valid = self._dialect.is_plainly_valid(body, call_id)
            return is_plainly_valid or is_json(body)

        body = self.get_details(call_id, is_readable)
        if not is_plainly_valid:
            try:
                self._dialect.parse_call(None, body, call_id=call_id)
            except UnreadableBody as error:
                raise UnreadableBody(str(error), body=body) from None
        return body

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """Return the list item contained in a details body. Raises `UnreadableBody`."""
        return self._dialect.item_of_details(body, call_id)

    def count_calls(self, window: ListWindow, *, only_ready: bool = False) -> int | None:
        """Return the number of calls in a window, or of those that can be fetched; None if the dialect has no total.

        Sends one request.
        """
        statuses = self.capabilities.ready_statuses
        if only_ready and not statuses:
            return None
        request = self._dialect.list_request(window, 0, 1, include_private=self._include_private, with_total=True)
        filters = tuple(("filterStatus", status) for status in statuses) if only_ready else ()
        return self._dialect.read_page(self._get(Request(request.path, (*request.params, *filters)))).matched

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """Return the record of stored bodies. Raises `UnreadableBody`."""
        return self._dialect.parse_call(listed, details, listed_is_newer=listed_is_newer, call_id=call_id)

    def probe(self) -> None:
        """Send the smallest request. Raises an error if the key is refused."""
        self._get(self._dialect.probe_request())

    def list_users(self) -> tuple[list[User], bytes]:
        """Return the users of the workspace and the body; empty if the dialect has none."""
        if not self.capabilities.has_reference:
            return [], b""
        body = self._get(Request("/users"))
        return _parsed(parse_users, body), body

    def list_topics(self) -> tuple[list[Topic], bytes]:
        """Return the topics of the workspace and the body; empty if the dialect has none."""
        if not self.capabilities.has_reference:
            return [], b""
        body = self._get(Request("/v2/topics"))
        return _parsed(parse_topics, body), body

    def list_scorecards(
        self, after: datetime | None = None, before: datetime | None = None
    ) -> tuple[list[Scorecard], list[bytes]]:
        """Return the human scorecards of all pages and the bodies; empty if the dialect has none."""
        cards: list[Scorecard] = []
        bodies: list[bytes] = []
        skip: int | None = 0 if self.capabilities.has_reference else None
        bounds = [("filterTimeGt", instant(after, up=False))] if after else []
        bounds += [("filterTimeLt", instant(before, up=True))] if before else []
        while skip is not None:
            if skip > _SCORECARD_MAX_SKIP:
                raise TooDeep(f"clari: scorecards continue beyond skip {_SCORECARD_MAX_SKIP}", matched=None)
            params = (*bounds, ("skip", str(skip)), ("limit", str(_SCORECARD_PAGE)))
            body = self._get(Request("/scorecard", params))
            if bodies and body == bodies[-1]:
                raise PipelineError(f"clari: the scorecard page at skip {skip} repeats the previous page")
            page_cards, received, has_more, next_skip = _parsed(parse_scorecards, body)
            cards += page_cards
            bodies.append(body)
            page = PageBody((b"",) * received, None, has_more, next_skip)
            following = next_position(page, skip, _SCORECARD_PAGE, None, None)
            skip = None if following is None else following.skip
        return cards, bodies

    def get_deal(self, deal_id: str) -> tuple[Deal, bytes]:
        """Return a deal by its id in the CRM, and the body. Raises `NotFound`."""
        body = self._get_mirrored("/get-deal", deal_id)
        return _parsed(parse_deal, body, deal_id), body

    def get_account(self, account_id: str) -> tuple[Account, bytes]:
        """Return an account by its id in the CRM, and the body. Raises `NotFound`."""
        body = self._get_mirrored("/get-account", account_id)
        return _parsed(parse_account, body, account_id), body

    def _get_mirrored(self, path: str, record_id: str) -> bytes:
        if not self.capabilities.has_reference:
            raise NotFound(f"clari: the {self._dialect.name} dialect has no {path}", status=404)
        return self._get(Request(path, (("id", record_id),)))

    def _get(
        self,
        request: Request,
        *,
        units: int = 1,
        no_retry_on: frozenset[int] = frozenset(),
        is_readable: Callable[[bytes], bool] = is_json,
    ) -> bytes:
        return self._http.request(
            "GET",
            request.path,
            params=request.params,
            units=units,
            no_retry_on=no_retry_on,
            is_readable=is_readable,
        ).body


def _parsed(parse: Callable[..., Parsed], body: bytes, *arguments: str) -> Parsed:
    """Parse a body; add the body to the `UnreadableBody` of `parse`."""
    try:
        return parse(body, *arguments)
    except UnreadableBody as error:
        raise UnreadableBody(f"clari: {error}", body=body) from None
