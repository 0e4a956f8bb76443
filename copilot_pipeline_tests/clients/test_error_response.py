"""Bodies and headers of error responses: what is read from them, whatever they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.error_response import parse_error_body, parse_retry_after


def test_parses_retry_after_dates() -> None:
    """An HTTP date gives the seconds until then; a date in the past gives 0."""
    ahead = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert ahead is not None
    assert 85 <= ahead <= 90
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None)],
)
def test_parses_retry_after_seconds(header: str | None, seconds: float | None) -> None:
    """A finite number gives seconds, at least 0; anything else gives None."""
    assert parse_retry_after(header) == seconds


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d\d:\d\d:\d\d [+-]\d+")))
def test_any_retry_after_header_is_accepted(header: str) -> None:
    """Any text gives a finite wait of at least 0, or None."""
    seconds = parse_retry_after(header)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"retry_after_seconds": 1' + b"0" * 400 + b"}",
        b'{"retry_after_seconds": "5"}',
        b'{"retry_after_seconds": true}',
        b'{"error": {"code": "nested"}}',
        b'{"message": "a sentence with blanks"}',
    ],
)
def test_ignores_undocumented_error_bodies(body: bytes) -> None:
    """A body that is not the documented envelope gives neither a code nor a wait."""
    assert parse_error_body(body) == (None, None)


@given(st.binary())
def test_any_error_body_is_accepted(body: bytes) -> None:
    """No bytes raise an error."""
    parse_error_body(body)
