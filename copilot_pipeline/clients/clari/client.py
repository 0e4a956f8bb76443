"""The client: asks in the words of a dialect, pages through windows, and hands on untouched bodies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

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
from copilot_pipeline.clients.clari.reference import (
    parse_account,
    parse_deal,
    parse_scorecards,
    parse_topics,
    parse_users,
)
from copilot_pipeline.clients.clari.rest import instant
from copilot_pipeline.clients.http import HttpClient
from copilot_pipeline.errors import NotFound, PipelineError, RequestRefused, TemporaryFailure, UnreadableBody

_BAD_GATEWAY = 502  # what the gateway answers when a page would be larger than about 6 MB (contract 0.4)
_SCORECARD_PAGE = 100
_SCORECARD_MAX_SKIP = 10_000


class ClariClient:
    """Reads calls and what surrounds them. Thread-safe, as its caller is."""

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
        self._counts_records = counts_records  # the pace counts the records of a page, as the guide words the limit
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
    def page_size(self) -> int:
        """The number of calls asked for at once; shrinks when pages turn out too large."""
        return self._page_size

    def list_page(self, window: ListWindow, position: ListPosition | None = None) -> ListPage:
        """One page of the window, from its beginning or from where the page before said to go on.

        Only the first page and the last ask for the total, which makes the answer slow: where the two differ, calls
        came or went meanwhile. Raises `TooDeep` when the window holds more than paging can reach, `PipelineError` when
        the server repeats a page or does not move on.
        """
        here = position or ListPosition(0)
        max_skip = self.capabilities.max_skip
        if max_skip is not None and here.skip > max_skip:
            raise TooDeep(f"clari: the window goes on beyond skip {max_skip}", matched=here.matched)
        is_last = here.matched is None or here.skip + self._page_size >= here.matched
        page, limit = self._fetch_page(window, here.skip, with_total=is_last)
        matched = page.matched
        if max_skip is not None and matched is not None and matched > max_skip:
            raise TooDeep(f"clari: the window holds {matched} calls, beyond skip {max_skip}", matched=matched)
        fingerprint = hashlib.sha256(b"\n".join(page.items)).hexdigest() if page.items else None
        if fingerprint is not None and fingerprint == here.previous:
            raise PipelineError(f"clari: the page at skip {here.skip} repeats the one before it")
        calls, quarantined = self._read_items(page, window)
        total = here.matched if matched is None else matched
        return ListPage(calls, quarantined, _next_position(page, here.skip, limit, total, fingerprint), matched)

    def _fetch_page(self, window: ListWindow, skip: int, *, with_total: bool) -> tuple[PageBody, int]:
        """The page and the size it came in: halved on 502, which repeats for ever at the same size (trap 4).

        A size is remembered only once it has worked: where even a single call gets 502, size is not the reason.
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
            except TemporaryFailure as error:
                if error.status != _BAD_GATEWAY or limit == 1:
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
                raise UnreadableBody(f"clari: the page of the list at skip {skip} cannot be read: {error}") from None

    def _read_items(
        self, page: PageBody, window: ListWindow
    ) -> tuple[tuple[ListedCall, ...], tuple[UnreadableItem, ...]]:
        """The calls of a page; one that cannot be read is set aside and takes no other with it."""
        calls: list[ListedCall] = []
        quarantined: list[UnreadableItem] = []
        for body in page.items:
            try:
                call = self._dialect.read_item(body)
            except UnreadableBody as error:
                quarantined.append(UnreadableItem(body, str(error), self._dialect.readable_id(body)))
                continue
            if not self.capabilities.whole_days_only or window.after <= call.started_at <= window.before:
                calls.append(call)
        return tuple(calls), tuple(quarantined)

    def get_details(self, call_id: str) -> bytes:
        """One call, whole, as it came. `NotFound` for an unknown id, which the API also answers with 400 (1.8)."""
        try:
            return self._get(self._dialect.details_request(call_id))
        except RequestRefused as error:
            if error.status == 400:
                raise NotFound(str(error), status=400, code=error.code) from None
            raise

    def item_of_details(self, body: bytes, call_id: str) -> ListedCall:
        """The call of a details answer as a list would show it; raises `UnreadableBody`."""
        return self._dialect.item_of_details(body, call_id)

    def count_calls(self, window: ListWindow, *, only_ready: bool = False) -> int | None:
        """How many calls a window holds, or how many that can be fetched, for one request; None where the dialect does
        not say.
        """
        statuses = self.capabilities.ready_statuses
        if only_ready and not statuses:
            return None
        request = self._dialect.list_request(window, 0, 1, include_private=self._include_private, with_total=True)
        wished = tuple(("filterStatus", status) for status in statuses) if only_ready else ()
        return self._dialect.read_page(self._get(Request(request.path, (*request.params, *wished)))).matched

    def parse_call(
        self,
        listed: bytes | None,
        details: bytes | None,
        *,
        listed_is_newer: bool = False,
        call_id: str | None = None,
    ) -> CallRecord:
        """The record, from stored bodies."""
        return self._dialect.parse_call(listed, details, listed_is_newer=listed_is_newer, call_id=call_id)

    def check_details(self, body: bytes, call_id: str) -> None:
        """Raises `UnreadableBody` where an answer is not the call that was asked for, whole.

        The usual answer is looked over in a tenth of the time that reading it takes; what stands in its transcript is
        read when tables are made of it, and set aside then where it makes no sense.
        """
        if not self._dialect.looks_whole(body, call_id):
            self._dialect.parse_call(None, body, call_id=call_id)

    def probe(self) -> None:
        """Asks for as little as possible: returns when the key is accepted, raises otherwise."""
        self._get(self._dialect.probe_request())

    def list_users(self) -> tuple[list[User], bytes]:
        """The users of the workspace and the body they came in; empty where the dialect has none."""
        if not self.capabilities.has_reference:
            return [], b""
        body = self._get(Request("/users"))
        return parse_users(body), body

    def list_topics(self) -> tuple[list[Topic], bytes]:
        """The topics of the workspace and the body they came in; empty where the dialect has none."""
        if not self.capabilities.has_reference:
            return [], b""
        body = self._get(Request("/v2/topics"))
        return parse_topics(body), body

    def list_scorecards(
        self, after: datetime | None = None, before: datetime | None = None
    ) -> tuple[list[Scorecard], list[bytes]]:
        """The human scorecards, all pages, and their bodies; empty where the dialect has none."""
        cards: list[Scorecard] = []
        bodies: list[bytes] = []
        skip: int | None = 0 if self.capabilities.has_reference else None
        bounds = [("filterTimeGt", instant(after, up=False))] if after else []
        bounds += [("filterTimeLt", instant(before, up=True))] if before else []
        while skip is not None:
            if skip > _SCORECARD_MAX_SKIP:
                raise TooDeep(f"clari: scorecards go on beyond skip {_SCORECARD_MAX_SKIP}", matched=None)
            params = (*bounds, ("skip", str(skip)), ("limit", str(_SCORECARD_PAGE)))
            body = self._get(Request("/scorecard", params))
            if bodies and body == bodies[-1]:
                raise PipelineError(f"clari: the scorecard page at skip {skip} repeats the one before it")
            found, received, has_more, next_skip = parse_scorecards(body)
            cards += found
            bodies.append(body)
            page = PageBody((b"",) * received, None, has_more, next_skip)
            following = _next_position(page, skip, _SCORECARD_PAGE, None, None)
            skip = None if following is None else following.skip
        return cards, bodies

    def get_deal(self, deal_id: str) -> tuple[Deal, bytes]:
        """A deal by the CRM's id, and the body it came in."""
        body = self._get_mirrored("/get-deal", deal_id)
        return parse_deal(body, deal_id), body

    def get_account(self, account_id: str) -> tuple[Account, bytes]:
        """An account by the CRM's id, and the body it came in."""
        body = self._get_mirrored("/get-account", account_id)
        return parse_account(body, account_id), body

    def _get_mirrored(self, path: str, identity: str) -> bytes:
        if not self.capabilities.has_reference:
            raise NotFound(f"clari: the {self._dialect.name} dialect has no {path}", status=404)
        return self._get(Request(path, (("id", identity),)))

    def _get(self, request: Request, *, units: int = 1, no_retry_on: frozenset[int] = frozenset()) -> bytes:
        answer = self._http.request("GET", request.path, params=request.params, units=units, no_retry_on=no_retry_on)
        return answer.body


def _next_position(
    page: PageBody, skip: int, limit: int, matched: int | None, fingerprint: str | None
) -> ListPosition | None:
    """Where to go on, or None at the end.

    The server's word counts where there is one; else an empty page is the last, and so is a short one unless the
    total says that more is left (a server may hand out smaller pages than asked for).
    """
    received = len(page.items)
    if page.has_more is not None:
        if not page.has_more:
            return None
        following = skip + received if page.next_skip is None else page.next_skip
        if following <= skip:
            raise PipelineError(f"clari: the page at skip {skip} promises more but does not move on")
        return ListPosition(following, matched, fingerprint)
    is_all = matched is not None and skip + received >= matched
    if received == 0 or is_all or (received < limit and matched is None):
        return None
    return ListPosition(skip + received, matched, fingerprint)
