"""`GET /metrics` of a receiver process, compared with the answers that clients got."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.receiver.process import Receiver, running
from copilot_pipeline_tests.receiver.signing import SECRET

pytestmark = pytest.mark.e2e

TOKEN = "a-token-of-this-test"
PERSON = "anna.person@example.com"


def webhooks(text: str) -> dict[str, float]:
    """Webhooks by answer."""
    return {
        sample.labels["answer"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "copilot_pipeline_webhooks_total"
    }


def test_counts_every_answer(module_database: Database) -> None:
    """Accepted and refused webhooks are counted as they were answered. Further scrapes within the time of the cache
    cost no query, the token is needed, and nothing that a sender wrote is on the page."""
    with running(module_database.url, metrics_token=TOKEN) as receiver:
        sent = Counter(_post(receiver, number) for number in range(40))
        assert receiver.client.get(f"{receiver.address}/metrics").status_code == 401
        headers = {"authorization": f"Bearer {TOKEN}"}
        page = receiver.client.get(f"{receiver.address}/metrics", headers=headers)
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert webhooks(page.text) == {"accepted": sent[202], "401 wrong_secret": sent[401], "400 no_id": sent[400]}
        assert PERSON not in page.text
        assert SECRET not in page.text
        _post(receiver, 0)
        started = time.monotonic()
        scrapes = [receiver.client.get(f"{receiver.address}/metrics", headers=headers).text for _ in range(50)]
        if time.monotonic() - started < 3:
            assert set(scrapes) == {page.text}


def _post(receiver: Receiver, number: int) -> int:
    secret = {"x-webhook-secret": "wrong" if number % 4 == 1 else SECRET}
    body = "{}" if number % 4 == 2 else f'{{"call_id": "{PERSON}-{number}"}}'
    status: int = receiver.post(body, secret).status_code
    return status
