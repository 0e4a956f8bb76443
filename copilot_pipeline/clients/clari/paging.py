"""Where the next page of a listing begins. Pure."""

from __future__ import annotations

from copilot_pipeline.clients.clari.dialect import ListPosition, PageBody
from copilot_pipeline.errors import PipelineError


def next_position(
    page: PageBody, skip: int, limit: int, matched: int | None, fingerprint: str | None
) -> ListPosition | None:
    """Return the position of the next page, None after the last one.

    `has_more` is used if the server sends it. Otherwise an empty page is the last one, and so is a short page, unless
    the total is larger: a server may return smaller pages than requested.
    """
    received = len(page.items)
    if page.has_more is not None:
        if not page.has_more:
            return None
        following = skip + received if page.next_skip is None else page.next_skip
        if following <= skip:
            raise PipelineError(f"clari: the page at skip {skip} promises more calls but does not advance")
        return ListPosition(following, matched, fingerprint)
    is_all = matched is not None and skip + received >= matched
    if received == 0 or is_all or (received < limit and matched is None):
        return None
    return ListPosition(skip + received, matched, fingerprint)
