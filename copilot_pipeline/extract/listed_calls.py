"""Look up calls in the vendor's list, which omits private calls unless `clari.include_private` is set.

`/call-details` returns a private call to everybody who has its id. So the details of a call that a webhook named, or
that was listed some time ago, are kept only if the list shows the call now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import ListPosition, ListWindow
from copilot_pipeline.clients.clari.models import Readiness
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.extract.listing import OVERLAP
from copilot_pipeline.state import CallStore, CallToFetch

# Calls that start this close to one another are looked up in one window. At a thousand calls a day an hour is about one
# page, so that the window costs no more than a request for each of its calls.
MAX_GAP = timedelta(hours=1)
MAX_GAP_WHOLE_DAYS = timedelta(days=1)
# A call that was listed longer ago than this is looked up again before its details are fetched.
MAX_AGE = timedelta(hours=1)


@dataclass(slots=True)
class Lookup:
    """The calls that the list shows, and the errors of those that could not be looked up.

    Of a call whose item cannot be parsed, the readiness is None.
    """

    shown: dict[str, Readiness | None] = field(default_factory=dict)
    failed: dict[str, PipelineError] = field(default_factory=dict)

    def check(self, call_id: str) -> bool:
        """Return whether the list shows a call. Raises the error if it could not be looked up."""
        if call_id in self.failed:
            raise self.failed[call_id]
        return call_id in self.shown


class ListedCalls:
    """Looks up calls by the time at which they start, with as few list requests as possible."""

    def __init__(self, client: ClariClient, calls: CallStore, source: str, *, requests_in_flight: int = 4) -> None:
        self._client = client
        self._calls = calls
        self._source = source
        self._requests_in_flight = requests_in_flight

    def look_up(self, starts: Mapping[str, datetime], *, record: bool = True) -> Lookup:
        """Look up calls, given their start by id; record the items that the list shows."""
        result = Lookup()
        groups = self._groups(starts)
        if groups:
            with ThreadPoolExecutor(self._requests_in_flight, thread_name_prefix="list") as pool:
                results = pool.map(lambda group: self._look_up(group, record), groups)
                for group, found in zip(groups, results, strict=True):
                    if isinstance(found, PipelineError):
                        result.failed.update(dict.fromkeys(group, found))
                    else:
                        result.shown |= found
        return result

    def without_hidden(self, calls: Sequence[CallToFetch]) -> list[CallToFetch]:
        """Return the calls except those that the list showed some time ago and does not show now.

        These are marked as removed. Those that could not be looked up are omitted as well.
        """
        starts = self._calls.starts_of_calls_seen_before([call.call_id for call in calls], MAX_AGE)
        lookup = self.look_up(starts)
        hidden = starts.keys() - lookup.shown.keys() - lookup.failed.keys()
        self._calls.mark_removed(sorted(hidden))
        return [call for call in calls if call.call_id not in hidden | lookup.failed.keys()]

    def _groups(self, starts: Mapping[str, datetime]) -> list[dict[str, datetime]]:
        max_gap = MAX_GAP_WHOLE_DAYS if self._client.capabilities.whole_days_only else MAX_GAP
        groups: list[dict[str, datetime]] = []
        last: datetime | None = None
        for call_id, start in sorted(starts.items(), key=lambda item: item[1]):
            if last is None or start - last > max_gap:
                groups.append({})
            groups[-1][call_id] = last = start
        return groups

    def _look_up(self, starts: Mapping[str, datetime], record: bool) -> dict[str, Readiness | None] | PipelineError:
        try:
            shown, pages = self._list(starts, record)
            if pages > 1:
                # A call that entered or left the window while its pages were read has shifted the others.
                for call_id in starts.keys() - shown.keys():
                    shown |= self._list({call_id: starts[call_id]}, record)[0]
        except PipelineError as error:
            return error
        return shown

    def _list(self, starts: Mapping[str, datetime], record: bool) -> tuple[dict[str, Readiness | None], int]:
        """Return the calls of one window that the list shows, and the number of pages that were read."""
        window = ListWindow("started", min(starts.values()) - OVERLAP, max(starts.values()) + OVERLAP)
        shown: dict[str, Readiness | None] = {}
        position: ListPosition | None = None
        pages = 0
        while pages == 0 or (position is not None and shown.keys() != starts.keys()):
            page = self._client.list_page(window, position)
            calls = [call for call in page.calls if call.call_id in starts]
            if record:
                with self._calls.database.transaction() as connection:
                    self._calls.record(connection, calls, self._source)
            # An item that cannot be parsed shows its call too. The day's own listing quarantines it.
            shown |= dict.fromkeys({item.call_id or "" for item in page.quarantined} & starts.keys())
            shown |= {call.call_id: call.readiness for call in calls}
            position, pages = page.next, pages + 1
        return shown, pages
