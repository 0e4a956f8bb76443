"""Responses of servers become results, and no reason contains a secret or a quote."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.bounded_response import MEBIBYTE, ResponseLimits
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.delivery.model import Delivery, SendResult, SendStatus, Sink, SinkProblem
from copilot_pipeline.delivery.sinks import HubspotSink, SalesforceSink, SlackSink, WebhookSink, build_sink
from copilot_pipeline.delivery.sinks.bisect import bisect_batch, fields_of
from copilot_pipeline.delivery.sinks.http_client import SinkHttpClient
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline_tests.clients.endless import (
    IN_TIME_SECONDS,
    drip_body,
    drip_headers,
    endless_plain,
    raw_server,
)
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving


def deal(number: int, **fields: Any) -> Delivery:
    """A record to write."""
    return Delivery(number, f"msg_{number}", str(number), {"id": str(number), "fields": fields or {"x": 1}})


@pytest.mark.parametrize(
    ("status", "body", "status_", "problem"),
    [
        (200, b"ok", SendStatus.SENT, None),
        (400, b"invalid_blocks", SendStatus.FAILED, None),
        (403, b"action_prohibited", SendStatus.RETRY, SinkProblem.CREDENTIALS),
        (404, b"channel_not_found", SendStatus.RETRY, SinkProblem.CREDENTIALS),
        (410, b"channel_is_archived", SendStatus.RETRY, SinkProblem.CREDENTIALS),
        (302, b"", SendStatus.RETRY, SinkProblem.CREDENTIALS),
        (429, b"", SendStatus.RETRY, SinkProblem.THROTTLED),
        (423, b"", SendStatus.RETRY, SinkProblem.THROTTLED),
        (477, b"", SendStatus.RETRY, SinkProblem.UNAVAILABLE),
        (500, b"rollup_error", SendStatus.RETRY, SinkProblem.UNAVAILABLE),
    ],
)
def test_maps_responses_of_slack_to_results(
    status: int, body: bytes, status_: SendStatus, problem: SinkProblem | None
) -> None:
    """Failed permanently, retried, or a problem of the credentials."""
    with serving(lambda _: Reply(status, body)) as server:
        sink = SlackSink(f"{server.url}/services/T/B/s3cret")
        (outcome,) = sink.send([Delivery(1, "msg_1", "", {"text": "secret words"})])
        sink.close()
    assert (outcome.status, outcome.problem) == (status_, problem)
    assert "s3cret" not in str(outcome)
    assert "secret words" not in str(outcome)


@pytest.mark.parametrize("answer", [drip_body, drip_headers, endless_plain])
def test_an_endless_response_of_slack_ends(answer: Callable[[socket.socket], None]) -> None:
    """A response that drips, or that is too large, ends at a limit; whether the message arrived is uncertain."""
    started = time.monotonic()
    with raw_server(answer) as url:
        sink = SlackSink(url, http=SinkHttpClient(limits=ResponseLimits(MEBIBYTE, MEBIBYTE, attempt_seconds=1.0)))
        (outcome,) = sink.send([Delivery(1, "msg_1", "", {"text": "words"})])
        sink.close()
    assert outcome.status is SendStatus.UNCERTAIN
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_logs_contain_no_address_key_or_message(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at level DEBUG: the address of a webhook is its key."""
    caplog.set_level(logging.DEBUG)
    with serving(lambda _: Reply(200, b"ok")) as server:
        slack, hook = SlackSink(f"{server.url}/services/T/B/s3cret"), WebhookSink(f"{server.url}/s3cret", "c2VjcmV0")
        for sink in (slack, hook):
            assert sink.send([Delivery(1, "msg_1", "", {"text": "secret words"})])[0].status is SendStatus.SENT
            sink.close()
    assert "s3cret" not in caplog.text
    assert "c2VjcmV0" not in caplog.text
    assert "secret words" not in caplog.text


def test_hubspot_returns_a_result_per_record() -> None:
    """With status 207 some records are written and the others have a reason."""

    def answer(received: ReceivedRequest) -> Reply:
        inputs = json.loads(received.body)["inputs"]
        assert inputs[0]["properties"] == {"risk": "true", "score": "31"}
        error = {"category": "OBJECT_NOT_FOUND", "message": "no", "context": {"ids": ["2"]}}
        return reply({"status": "COMPLETE", "results": [{"id": "1"}], "errors": [error]}, 207)

    with serving(answer) as server:
        sink = HubspotSink(server.url, "pat-1")
        result = sink.send([deal(1, risk=True, score=31), deal(2), deal(3)])
        sink.close()
    assert [one.status for one in result] == [SendStatus.SENT, SendStatus.FAILED, SendStatus.RETRY]
    assert result[1].reason == "OBJECT_NOT_FOUND: there is no such deal"
    assert server.requests[0].headers["authorization"] == "Bearer pat-1"


def test_a_merged_hubspot_deal_counts_as_written() -> None:
    """HubSpot returns the id of the remaining deal."""
    with serving(lambda _: reply({"status": "COMPLETE", "results": [{"id": "900"}, {"id": "2"}]})) as server:
        sink = HubspotSink(server.url, "pat-1")
        result = sink.send([deal(1), deal(2)])
        sink.close()
    assert [one.status for one in result] == [SendStatus.SENT, SendStatus.SENT]


def test_an_error_without_a_deal_id_is_isolated() -> None:
    """Each deal is sent alone, so that only the invalid one fails."""

    def answer(received: ReceivedRequest) -> Reply:
        ids = [one["id"] for one in json.loads(received.body)["inputs"]]
        error = {"category": "INVALID_OPTION", "message": "no"}
        good = [{"id": identity} for identity in ids if identity != "2" and len(ids) == 1]
        return reply({"results": good, "errors": [] if good else [error]}, 207)

    with serving(answer) as server:
        sink = HubspotSink(server.url, "pat-1")
        result = sink.send([deal(1), deal(2), deal(3)])
        sink.close()
    assert [one.status for one in result] == [SendStatus.SENT, SendStatus.FAILED, SendStatus.SENT]
    assert result[1].reason == "INVALID_OPTION: the property has no such option"


def test_a_corrupt_response_counts_as_lost() -> None:
    """A message becomes uncertain, a record is written again."""
    with serving(lambda _: Reply(200, b"ok", {"Content-Encoding": "gzip"})) as server:
        slack, hubspot = SlackSink(server.url), HubspotSink(server.url, "pat-1")
        result = [*slack.send([Delivery(1, "msg_1", "", {"text": "x"})]), *hubspot.send([deal(1)])]
        slack.close()
        hubspot.close()
    assert [one.status for one in result] == [SendStatus.UNCERTAIN, SendStatus.RETRY]


def test_a_key_with_a_non_ascii_character_is_reported_without_showing_it() -> None:
    """Such as a dash copied from a document."""
    sink = HubspotSink("http://127.0.0.1:9", "pat\u2013s3cret")
    (outcome,) = sink.send([deal(1)])
    sink.close()
    assert outcome.status is SendStatus.RETRY
    assert outcome.reason == "the key or the address contains a character that cannot be sent"


def test_redirects_are_not_followed() -> None:
    """The other server receives neither the message nor the token."""
    with serving(lambda _: reply({})) as elsewhere:
        with serving(lambda _: Reply(307, b"", {"Location": f"{elsewhere.url}/there"})) as server:
            sinks: list[Sink] = [
                SlackSink(server.url), WebhookSink(server.url, "c2VjcmV0"), HubspotSink(server.url, "pat-1"),
                SalesforceSink(server.url, "client", "secret"),
            ]  # fmt: skip
            result = [sink.send([deal(1)])[0] for sink in sinks]
            for sink in sinks:
                sink.close()
        assert elsewhere.requests == []
    assert {(one.status, one.problem) for one in result} == {(SendStatus.RETRY, SinkProblem.CREDENTIALS)}


def test_an_unknown_hubspot_property_fails_only_its_records() -> None:
    """HubSpot rejects the whole batch; the reason names the property, not the value."""

    def answer(received: ReceivedRequest) -> Reply:
        inputs = json.loads(received.body)["inputs"]
        if any("nope" in one["properties"] for one in inputs):
            problem = [{"isValid": False, "message": 'Property "nope" does not exist: "secret words"',
                        "error": "PROPERTY_DOESNT_EXIST", "name": "nope"}]  # fmt: skip
            message = f"Property values were not valid: {json.dumps(problem)}"
            return reply({"status": "error", "category": "VALIDATION_ERROR", "message": message}, 400)
        return reply({"status": "COMPLETE", "results": [{"id": one["id"]} for one in inputs]})

    with serving(answer) as server:
        sink = HubspotSink(server.url, "pat-1")
        result = sink.send([deal(number, **({"nope": 1} if number == 3 else {"x": 1})) for number in range(8)])
        sink.close()
    assert [one.status is SendStatus.SENT for one in result] == [number != 3 for number in range(8)]
    assert result[3].reason == "PROPERTY_DOESNT_EXIST (nope): create the property on deals, or correct `map`"


def test_refused_credentials_of_a_crm_keep_deliveries_queued() -> None:
    """Nothing fails until the key is renewed."""
    with serving(lambda _: reply({"status": "error", "category": "INVALID_AUTHENTICATION"}, 401)) as server:
        hubspot = HubspotSink(server.url, "pat-1")
        salesforce = SalesforceSink(server.url, "client", "s3cret")
        result = [*hubspot.send([deal(1), deal(2)]), *salesforce.send([deal(3)])]
        hubspot.close()
        salesforce.close()
    assert {(one.status, one.problem) for one in result} == {(SendStatus.RETRY, SinkProblem.CREDENTIALS)}
    assert "s3cret" not in str(result)


def test_the_daily_limit_of_salesforce_counts_as_throttling() -> None:
    """It has status 403 but is temporary."""

    def answer(received: ReceivedRequest) -> Reply:
        if received.path.endswith("/token"):
            return reply({"access_token": "t"})
        return reply([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], 403)

    with serving(answer) as server:
        sink = SalesforceSink(server.url, "client", "secret")
        (outcome,) = sink.send([deal(1)])
        sink.close()
    assert (outcome.status, outcome.problem) == (SendStatus.RETRY, SinkProblem.THROTTLED)


@given(st.lists(st.sampled_from(["good", "bad value", "bad field"]), min_size=1, max_size=40))
def test_bisects_a_batch_until_only_invalid_records_fail(kinds: list[str]) -> None:
    """Valid records are written exactly once and invalid ones never."""
    written: list[str] = []

    def attempt(batch: Any) -> list[SendResult] | SendResult:
        if any("nope" in fields_of(one) for one in batch):
            return SendResult(SendStatus.FAILED, "no such field")
        if any(one.payload["fields"].get("x") == "bad" for one in batch):
            return SendResult(SendStatus.FAILED, "no such value")
        written.extend(one.target for one in batch)
        return [SendResult(SendStatus.SENT)] * len(batch)

    contents: dict[str, dict[str, Any]] = {"good": {"x": 1}, "bad value": {"x": "bad"}, "bad field": {"nope": 1}}
    batch = [deal(number, **contents[kind]) for number, kind in enumerate(kinds)]
    result = bisect_batch(batch, attempt, lambda outcome: outcome.reason == "no such field")
    assert [one.status is SendStatus.SENT for one in result] == [kind == "good" for kind in kinds]
    assert sorted(written) == sorted(str(number) for number, kind in enumerate(kinds) if kind == "good")


def environment(**values: str) -> Environment:
    """An environment with these variables only."""
    return Environment(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


@pytest.mark.parametrize(
    ("sink", "values", "reason"),
    [
        ({"kind": "slack"}, {}, "sink s: SLACK_WEBHOOK_URL is not set"),
        ({"kind": "slack"}, {"slack_webhook_url": "hooks"}, "SLACK_WEBHOOK_URL must begin with https://"),
        ({"kind": "hubspot"}, {}, "HUBSPOT_ACCESS_TOKEN is not set"),
        ({"kind": "salesforce"}, {"salesforce_base_url": "https://a.example"}, "SALESFORCE_CLIENT_SECRET is not set"),
        ({"kind": "webhook"}, {"webhook_url": "https://a.example", "webhook_secret": "whsec_é"}, None),
        ({"kind": "slack", "url_env": "SLACK_URL_OF_EMEA"}, {}, "sink s: SLACK_URL_OF_EMEA is not set"),
    ],
)
def test_reports_the_missing_variable_of_a_sink(
    sink: dict[str, Any], values: dict[str, str], reason: str | None
) -> None:
    """By its name, without its value."""
    with pytest.raises((ConfigurationError, ValueError)) as caught:
        build_sink("s", SinkSettings.model_validate(sink), environment(**values))
    assert reason is None or reason in str(caught.value)


def test_a_sink_may_name_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels have two names and two variables."""
    with serving(lambda _: Reply(200, b"ok")) as server:
        monkeypatch.setenv("SLACK_URL_OF_EMEA", f"{server.url}/services/T/B/emea")
        sink = build_sink("emea", SinkSettings(kind="slack", url_env="SLACK_URL_OF_EMEA"), environment())
        assert sink.send([Delivery(1, "msg_1", "", {"text": "a"})])[0].status is SendStatus.SENT
        sink.close()
    assert server.requests[0].path == "/services/T/B/emea"


def test_rejects_a_webhook_secret_that_is_not_base64_without_showing_it() -> None:
    """The error explains how to create a valid one."""
    with pytest.raises(ConfigurationError, match="must be base64") as caught:
        WebhookSink("https://a.example", "whsec_a")
    assert "whsec_a" not in str(caught.value)
