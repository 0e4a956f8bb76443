"""What is due: nothing that cannot be sent, everything that can, and one sink never waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from copilot_pipeline.delivery.model import Sink
from copilot_pipeline.delivery.outbox_leases import OutboxLeases
from copilot_pipeline.delivery.sinks import SlackSink, WebhookSink
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import DAY, HOOK, RISK, Clock, add_call, make_dispatcher, rules
from copilot_pipeline_tests.http_servers import Asked, Reply, serving

OK = Reply(200, b"ok")
WITHIN_SECONDS = 30


def test_what_cannot_be_sent_is_not_due(database: Database) -> None:
    """A sink without its address, and one that no rule names any more: they would start a run every few seconds."""

    def build(name: str) -> Any:
        raise ConfigurationError(f"sink {name}: SLACK_WEBHOOK_URL is not set")

    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), Clock(), build=build)
    dispatcher.enqueue([DAY])
    assert dispatcher.due() == []
    assert dispatcher.send().unusable_sinks == {"slack": "sink slack: SLACK_WEBHOOK_URL is not set"}
    assert make_dispatcher(database, "http://unused", rules(HOOK), Clock()).due() == []
    assert make_dispatcher(database, "http://unused", rules(RISK), Clock()).due() == ["slack"]


def test_what_a_dead_sender_held_is_due(database: Database) -> None:
    """Nothing else may ever come in: whether it arrived is to be asked now."""
    add_call(database, "call-1", {"risk_flag": True})
    dispatcher = make_dispatcher(database, "http://unused", rules(RISK), Clock())
    dispatcher.enqueue([DAY])
    with OutboxLeases(database.url, now=Clock()) as leases:
        assert leases.lease("slack", 1, are_records=False)
        assert dispatcher.due() == []
    ends_at = time.monotonic() + WITHIN_SECONDS
    while not dispatcher.due():  # until PostgreSQL has noticed
        assert time.monotonic() < ends_at


def test_what_comes_in_does_not_wait_for_a_sink_that_takes_its_time(database: Database) -> None:
    """A hook does not answer; an alert that is asked for meanwhile goes out, in the same run."""
    is_asked, is_told = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/hook":
            is_asked.set()
            assert is_told.wait(WITHIN_SECONDS), "the alert waited for the hook"
        else:
            is_told.set()
        return OK

    with serving(answer) as server:
        makers: dict[str, Callable[[], Sink]] = {
            "slack": lambda: SlackSink(server.url),
            "webhook": lambda: WebhookSink(f"{server.url}/hook", None),
        }
        dispatcher = make_dispatcher(
            database, server.url, rules(RISK, HOOK), Clock(), build=lambda name: makers[name]()
        )
        add_call(database, "call-1", {"risk_flag": False})
        dispatcher.enqueue([DAY])
        sender = threading.Thread(target=dispatcher.send)
        sender.start()
        assert is_asked.wait(WITHIN_SECONDS)
        add_call(database, "call-2", {"risk_flag": True})
        dispatcher.enqueue([DAY])
        sender.join()
        assert is_told.is_set()


def test_an_outage_makes_few_messages_uncertain(database: Database) -> None:
    """Connections are taken and closed for an hour. What is tried meanwhile is a question that posts nothing."""
    clock = Clock()
    is_down = True
    arrived = []

    def answer(asked: Asked) -> Reply:
        if is_down:
            return Reply(200, b"", is_split=True)
        if asked.method == "POST":
            arrived.append(asked.body)
        return OK if asked.method == "POST" else Reply(405)

    for number in range(6):
        add_call(database, f"call-{number}", {"risk_flag": True})
    with serving(answer) as server:
        dispatcher = make_dispatcher(database, server.url, rules(RISK), clock)
        dispatcher.enqueue([DAY])
        for _ in range(12):
            dispatcher.send(max_wait_seconds=0)
            clock.move(minutes=5)
        posts = [asked for asked in server.asked if asked.method == "POST"]
        assert (len(posts), len(server.asked) > 6) == (2, True)
        is_down = False
        clock.move(minutes=10)
        dispatcher.send()
    assert len(arrived) == 4
    assert sorted(row.state for row in dispatcher.outbox.listed()) == ["sent"] * 4 + ["uncertain"] * 2
