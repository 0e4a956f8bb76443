"""Refused credentials are one incident, whichever runs meet them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from copilot_pipeline.cli.connections import delivery_service, opened
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.delivery.credential_incidents import open_clari_client, open_semarize_client
from copilot_pipeline.errors import CredentialsRefused
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command, command
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

__all__ = ["command"]

PIPELINE = "kits: {deal: A1B2C3D4}\nincidents: {send: [slack]}\n"
SET = {
    "CLARI_COPILOT_API_KEY": "k3y", "CLARI_COPILOT_API_PASSWORD": "s3cret", "SEMARIZE_API_KEY": "smz_k3y",
    "SLACK_WEBHOOK_URL": "http://127.0.0.1:9/services/T/B/s3cret",
}  # fmt: skip


def probe_services(source: str) -> list[str]:
    """Open both clients as a run does, and send a request. Returns the open incidents."""
    reports = source != "doctor"
    with opened() as (settings, database):
        limits = RateLimits.from_settings(settings)
        for client_of in (
            open_clari_client(settings, database, limits, source, reports_refusal=reports),
            open_semarize_client(settings, database, reports_refusal=reports),
        ):
            with suppress(CredentialsRefused), client_of as client:
                client.probe()
        return [incident.name for incident in delivery_service(settings, database).incident_monitor().open_incidents()]


def test_refused_credentials_open_one_incident_until_they_are_accepted(
    command: Command, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One per service, however many runs meet it, and none by the doctor."""
    refused = {"clari", "semarize"}

    def answer(received: ReceivedRequest) -> Reply:
        service = "semarize" if received.path.startswith("/v1/") else "clari"
        return reply({}, 401) if service in refused else reply({"calls": [], "users": [], "data": []})

    Path("pipeline.yaml").write_text(PIPELINE)
    with serving(answer) as server:
        for name, value in {**SET, "CLARI_COPILOT_BASE_URL": server.url, "SEMARIZE_BASE_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        assert probe_services("doctor") == []
        both = ["credentials of Clari Copilot", "credentials of Semarize"]
        assert [probe_services(source) for source in ("polling", "run", "webhook")] == [both, both, both]
        refused.remove("clari")
        assert probe_services("run") == ["credentials of Semarize"]
        refused.clear()
        assert probe_services("run") == []
    with database.connection() as connection:
        rows = connection.execute("SELECT payload::text FROM copilot_ops.outbox ORDER BY id").fetchall()
    assert len(rows) == 4, "two opened, two resolved"
    assert "Renew CLARI_COPILOT_API_KEY and CLARI_COPILOT_API_PASSWORD" in rows[0][0]
    assert not [secret for secret in ("k3y", "s3cret") if secret in str(rows)]
