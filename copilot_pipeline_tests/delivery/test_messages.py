"""Slack messages stay within Slack's limits and escape texts from outside."""

from __future__ import annotations

import html
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.delivery.deal_pages import deal_page
from copilot_pipeline.delivery.messages import MAX_BLOCKS, MAX_TEXT, escape, escape_and_cut, link, slack_message
from copilot_pipeline.marts.model import BrickAnswer
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import KIT, RISK, add_call, rules, scored

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5000)


def message(call: Any, **route: Any) -> dict[str, Any]:
    """Build the message of a route about a call."""
    rule = rules({**RISK, **route})[0]
    page = deal_page(call.fields, "https://crm.example/{deal_id}/view", {})
    return slack_message(call, rule.route, page, {})


def texts_of(sent: dict[str, Any]) -> list[str]:
    """Return every text in the blocks."""
    result = [block["text"]["text"] for block in sent["blocks"] if "text" in block]
    return result + [element["text"] for block in sent["blocks"] for element in block.get("elements", [])]


def test_messages_contain_score_reason_evidence_and_links() -> None:
    """Links lead to the call and to the deal."""
    call = scored({"risk_flag": True, "deal_confidence": 31.0}, review_url="https://copilot.example/1", deal_id="006X")
    answer = BrickAnswer(True, 0.9, "Budget is in doubt.", ("We may have to wait.",))
    whole = "\n".join(texts_of(message(_with(call, "risk_flag", answer), score=f"{KIT}.deal_confidence")))
    for part in ("*deal_signals.deal_confidence:* 31", "*deal_signals.risk_flag:* yes (confidence 90%)"):
        assert part in whole
    assert "Budget is in doubt." in whole
    assert "> We may have to wait." in whole
    assert "<https://copilot.example/1|Open the call>" in whole
    assert "<https://crm.example/006X/view|Open the deal>" in whole


def test_a_message_shows_utc_whatever_the_zone_of_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults of the database, and the zone of the process, are elsewhere."""
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    with database.connection() as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET timezone = 'America/Los_Angeles'")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET datestyle = 'German, DMY'")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET search_path = elsewhere")
    with closing(Database(database.url)) as opened:
        add_call(opened, "call-1", {"risk_flag": True}, started_at=datetime(2026, 11, 27, 5, 30, tzinfo=UTC))
        (call,) = ScoredCallReader(opened).read_for_rules([date(2026, 11, 27)])
    assert "2026-11-27 05:30 UTC" in "\n".join(texts_of(message(call)))
    in_the_evening = replace(call, fields={**call.fields, "started_at": call.started_at.astimezone(LOS_ANGELES)})
    assert "2026-11-27 05:30 UTC" in "\n".join(texts_of(message(in_the_evening)))


def test_escapes_mentions_and_links_in_texts_from_outside() -> None:
    """They are shown as plain characters."""
    title = "<!channel> <https://evil.example|our site> & more"
    whole = "\n".join([*texts_of(message(scored({"risk_flag": True}, title=title))), "x"])
    assert "<!channel>" not in whole
    assert "&lt;!channel&gt; &lt;https://evil.example|our site&gt; &amp; more" in whole


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=6), TEXTS)
def test_texts_and_blocks_stay_within_the_limits_of_slack(
    title: str, reason: str, evidence: list[str], url: str
) -> None:
    """For any title, reason, evidence and address."""
    answer = BrickAnswer(True, 0.5, reason, tuple(evidence))
    call = _with(
        scored({}, title=title, account_name=title, rep_name=reason, review_url="https://x/" + url), "risk_flag", answer
    )
    sent = message(call)
    assert len(sent["blocks"]) <= MAX_BLOCKS
    assert all(0 < len(text) <= MAX_TEXT for text in texts_of(sent))
    assert len(sent["blocks"][0]["text"]["text"]) <= 150


@given(TEXTS, st.integers(10, 200))
def test_never_cuts_inside_an_escape_sequence(text: str, max_length: int) -> None:
    """A cut text is a prefix of the original."""
    cut = escape_and_cut(text, max_length)
    assert len(cut) <= max_length
    flat = " ".join(text.split())
    assert flat.startswith(
        cut.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")[: len(flat)]
    )
    assert not re.search(r"&(?!amp;|lt;|gt;)", cut)


@given(TEXTS)
def test_escapes_only_ampersand_and_angle_brackets(text: str) -> None:
    """Everything else is unchanged."""
    assert html.unescape(escape(text.replace("&", ""))) == text.replace("&", "")


def test_links_only_to_http_addresses() -> None:
    """Other schemes and missing addresses result in None."""
    assert link("javascript:alert(1)", "x") is None
    assert link(None, "x") is None
    assert link("https://a.example/?q=<b>|c", "x") == "<https://a.example/?q=%3Cb%3E%7Cc|x>"


def _with(call: Any, brick: str, answer: BrickAnswer) -> Any:
    call.bricks[(KIT, brick)] = answer
    return call
