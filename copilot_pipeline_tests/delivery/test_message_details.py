"""What a person reads in a Slack message, and the rate at which messages are sent."""

from __future__ import annotations

import json
import threading
import time
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.delivery.brick_labels import BrickLabel
from copilot_pipeline.delivery.deal_pages import deal_page
from copilot_pipeline.delivery.dispatcher import Dispatcher
from copilot_pipeline.delivery.messages import slack_message
from copilot_pipeline.delivery.model import Delivery, SendStatus, Sink
from copilot_pipeline.delivery.sinks import SlackSink, build_sink
from copilot_pipeline.delivery.sinks.throttle import Throttle, shared_slots
from copilot_pipeline.marts.model import BrickAnswer, Quote
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import DEAL, KIT, RISK, Clock, add_call, make_dispatcher, rules, scored
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving

LABELS = {
    (KIT, "risk_flag"): BrickLabel("Deal at risk"),
    (KIT, "deal_confidence"): BrickLabel("Confidence", 0, 100),
    (KIT, "fit"): BrickLabel("Fit", 1, 5),
}
URLS = {"salesforce": "https://acme.my.salesforce.com/{deal_id}", "hubspot": "https://app.hubspot.com/7/{deal_id}"}
WAIT = Quote("We may have to wait.", "exact", seq=4, start_s=3725.0, speaker="Kim Lee", side="prospect")


def text_of(sent: dict[str, Any]) -> str:
    """The texts of the blocks, one per line."""
    return "\n".join(block["text"]["text"] for block in sent["blocks"] if "text" in block)


def message(bricks: dict[str, BrickAnswer], **route: Any) -> str:
    """The text of a message about a call with these answers."""
    call = scored({}, review_url="https://copilot.example/1")
    for name, answer in bricks.items():
        call.bricks[(KIT, name)] = answer  # type: ignore[index]
    rule = rules({**RISK, **route})[0]
    return text_of(slack_message(call, rule.route, None, {}, zone=ZoneInfo("Asia/Tokyo"), labels=LABELS))


def test_a_message_has_labels_scales_and_local_time_and_no_id() -> None:
    """The call of 12:00 UTC is at 21:00 in Tokyo; its title and link identify it."""
    answers = {"risk_flag": BrickAnswer(True), "deal_confidence": BrickAnswer(31.204)}
    text = message(answers, score=f"{KIT}.deal_confidence")
    for part in ("*Deal at risk:* yes", "*Confidence:* 31.2 of 100", "2026-03-10 21:00 JST", "Northwind x Acme"):
        assert part in text
    assert "call-1" not in text


@pytest.mark.parametrize(("value", "shown"), [(4, "4 (1 to 5)"), (80, "80"), (True, "yes"), ("high", "high")])
def test_a_value_that_is_not_on_the_scale_is_shown_without_it(value: Any, shown: str) -> None:
    text = message({"risk_flag": BrickAnswer(True), "fit": BrickAnswer(value)}, score=f"{KIT}.fit")
    assert f"*Fit:* {shown}" in text.splitlines()


def test_a_quote_has_speaker_and_place_and_is_shown_once() -> None:
    """Two bricks often quote the same sentence, or a part of it."""
    part = Quote("may have to  WAIT", "exact", speaker="Kim Lee")
    other = Quote("Nobody said this.", "not found")
    answers = {
        "deal_confidence": BrickAnswer(31.0, quotes=(WAIT,)),
        "risk_flag": BrickAnswer(True, quotes=(WAIT, part, other)),
    }
    text = message(answers, score=f"{KIT}.deal_confidence")
    assert text.count("wait") + text.count("WAIT") == 1
    assert "> We may have to wait.\n> — Kim Lee, 1:02:05" in text
    assert "*Deal at risk:* yes\n> Nobody said this.\n<https" in text


@pytest.mark.parametrize(
    ("system", "deal_id", "urls", "page"),
    [
        ("SALESFORCE", DEAL, URLS, f"https://acme.my.salesforce.com/{DEAL}"),
        ("HUBSPOT", "123", URLS, "https://app.hubspot.com/7/123"),
        ("HUBSPOT", "123", {"salesforce": URLS["salesforce"]}, None),
        (None, "123", URLS, "https://app.hubspot.com/7/123"),
        ("PIPEDRIVE", "123", URLS, None),
        ("SALESFORCE", None, URLS, None),
    ],
)
def test_a_link_leads_to_the_crm_of_the_deal(
    system: str | None, deal_id: str | None, urls: dict[str, str], page: str | None
) -> None:
    """A deal of a CRM without an address has no link: that of another CRM would be wrong."""
    assert deal_page({"crm_system": system, "deal_id": deal_id}, None, urls) == page


def test_labels_of_the_table_and_places_of_quotes_reach_the_message(database: Database) -> None:
    """From the tables to the text, as the dispatcher reads them."""
    add_call(database, "call-1", {"risk_flag": True})
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO copilot.bricks (kit, brick, position, label) VALUES (%s, 'risk_flag', 0, 'Deal at risk')",
            (KIT,),
        )
        connection.execute(
            """INSERT INTO copilot.evidence (call_id, kit, brick, position, call_date, quote, match, match_score,
                 seq, start_s, speaker)
               VALUES ('call-1', %s, 'risk_flag', 0, '2026-03-10', 'They said so.', 'exact', 1, 0, 65, 'Kim Lee')""",
            (KIT,),
        )
    dispatcher: Dispatcher = make_dispatcher(database, "http://127.0.0.1:9", rules(RISK), Clock())
    (request,) = dispatcher.preview([date(2026, 3, 10)])
    text = text_of(request.payload)  # type: ignore[union-attr,arg-type]
    assert "*Deal at risk:* yes (confidence 90%)" in text
    assert "> They said so.\n> — Kim Lee, 1:05" in text


class LimitedSlack:
    """Accepts one message per interval, and answers 429 to the others, as Slack does."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._last_at = float("-inf")
        self._lock = threading.Lock()
        self.refused = 0

    def __call__(self, _received: ReceivedRequest) -> Reply:
        with self._lock:
            now = time.monotonic()
            if now - self._last_at < self._interval:
                self.refused += 1
                return Reply(429, b"rate_limited", {"Retry-After": "1"})
            self._last_at = now
            return Reply(200, b"ok")


def built_slack(url: str, *, per_second: float) -> Sink:
    """A sink as the settings make it, of a service on this machine as of Slack."""
    values = {"slack_webhook_url": url, "slack_messages_per_second": per_second}
    return build_sink("slack", SinkSettings(kind="slack"), Environment(**values, _env_file=None))  # type: ignore[call-arg,arg-type]


def test_messages_keep_the_pace_of_slack() -> None:
    """Two sinks of one webhook share a throttle, so that no message is refused; without it, some are."""
    slack = LimitedSlack(0.1)
    with serving(slack) as server:
        sinks = [built_slack(server.url, per_second=9) for _ in range(2)]
        results: list[Any] = []
        batch = [Delivery(number, f"m{number}", "", {"text": "x"}) for number in range(5)]
        threads = [threading.Thread(target=lambda sink: results.extend(sink.send(batch)), args=(one,)) for one in sinks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert slack.refused == 0
        assert [result.status for result in results] == [SendStatus.SENT] * 10
        assert len(server.requests) == 10
        assert json.loads(server.requests[0].body) == {"text": "x"}
        built_slack(server.url, per_second=0).send(batch)
        assert slack.refused > 0


def test_processes_with_one_database_share_the_pace_of_slack(database: Database) -> None:
    """Two sinks with throttles of their own send as one: none of their messages is refused."""
    slack = LimitedSlack(0.1)
    with serving(slack) as server:
        sinks = [
            SlackSink(server.url, throttle=Throttle(0.0), acquire=shared_slots(database, server.url, 0.15))
            for _ in range(2)
        ]
        batch = [Delivery(number, f"m{number}", "", {"text": "x"}) for number in range(4)]
        threads = [threading.Thread(target=one.send, args=(batch,)) for one in sinks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 8
        assert slack.refused == 0


def test_the_throttle_does_not_wait_longer_than_necessary() -> None:
    """A message after a pause is sent immediately; a burst is spread."""
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    throttle = Throttle(1.0, clock=lambda: now[0], sleep=sleep)
    for pause in (0, 0, 5):
        with throttle.slot():
            now[0] += 0.25
        now[0] += pause
    with throttle.slot():
        pass
    assert slept == [1.0, 1.0]
