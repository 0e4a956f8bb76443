"""Deals over HTTP: one request for each open deal, and the outcome by the stages of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.config.marts import MartSettings, OutcomeSettings
from copilot_pipeline.config.money import CurrencySettings
from copilot_pipeline.extract.crm_mirror import MirrorRead
from copilot_pipeline.extract.deals import Deals
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS
from copilot_pipeline.marts.forecast.reader import read_forecast_data
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, RunningServer, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import call, column, load

OUTCOMES = OutcomeSettings(won=("Closed Won", "Gewonnen"), lost=("Closed Lost",))


class Crm:
    """A server of /get-deal with stages by deal id; a stage of None is a body that cannot be parsed."""

    def __init__(self, *, is_down_from: str = "~", **stages: str | None) -> None:
        self.stages = stages
        self._is_down_from = is_down_from

    def __call__(self, received: ReceivedRequest) -> Reply:
        deal_id = received.params["id"]
        if deal_id >= self._is_down_from:
            return reply({}, 503)
        if deal_id not in self.stages:
            return reply({}, 404)
        stage = self.stages[deal_id]
        if stage is None:
            return Reply(200, b"[]")
        if stage == "<html>":
            return Reply(200, b"<html>")
        return reply({"crm_id": deal_id, "stage": stage, "amount": "48000"})

    @contextmanager
    def client(self) -> Iterator[tuple[ClariClient, RunningServer]]:
        """A client of these deals."""
        rest = dialect_named("rest")
        with serving(self) as service:
            caller = HttpClient(
                "clari", service.url, rest.auth_headers("key", "password"), policy=RetryPolicy(attempts=1)
            )
            yield ClariClient(rest, caller), service
            caller.close()


class Reader:
    """The steps of a daily run."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._deals = Deals(Lake(str(home)), database, OUTCOMES)

    def night(self, crm: Crm) -> tuple[MirrorRead, list[str]]:
        """Read deals; return the result and the requested ids."""
        with self._database.connection() as connection:
            connection.execute("UPDATE copilot_ops.deals SET read_at = read_at - interval '1 day'")
        with crm.client() as (client, service):
            report = self._deals.read(client)
            return report, [received.params["id"] for received in service.requests]

    def outcomes(self) -> dict[str, str]:
        """The table's outcomes by deal."""
        self._deals.build_table()
        with self._database.connection() as connection:
            return dict(connection.execute("SELECT deal_id, outcome FROM copilot.deals").fetchall())


@pytest.fixture
def reader(database: Database, home: Path) -> Reader:
    """Four deals that calls are linked to, none of them read."""
    load(database, {CALLS: [call(f"c-{deal}", deal_id=deal) for deal in "abcd"]})
    return Reader(database, home)


def test_reads_closed_deals_once_and_open_deals_daily(reader: Reader) -> None:
    """Stages of the settings are closed, however they are written; all others are open."""
    crm = Crm(a="Gewonnen", b="closedlost", c="Closed for the summer", d="Negotiation")
    assert reader.night(crm)[1] == ["a", "b", "c", "d"]
    assert reader.outcomes() == {"a": "won", "b": "lost", "c": "open", "d": "open"}
    crm.stages["d"] = "Closed Won"
    assert reader.night(crm)[1] == ["c", "d"]
    assert reader.outcomes()["d"] == "won"
    assert reader.night(crm)[1] == ["c"]


def test_a_deal_that_the_crm_deleted_is_not_open(reader: Reader, database: Database) -> None:
    """Marts do not see it, until the CRM has it again. A deal that was won before stays won."""
    crm = Crm(a="Negotiation", b="Gewonnen", c="Negotiation", d="Negotiation")
    reader.night(crm)
    assert reader.outcomes() == {"a": "open", "b": "won", "c": "open", "d": "open"}
    del crm.stages["a"], crm.stages["b"]
    reader.night(crm)
    assert reader.outcomes() == {"a": "deleted", "b": "won", "c": "open", "d": "open"}
    assert [deal.deal_id for deal in ScoredCallReader(database).deals(OUTCOMES)] == ["b", "c", "d"]
    settings = MartSettings(outcomes=OUTCOMES)
    forecast = read_forecast_data(database, settings, datetime.now(UTC))
    assert [deal.deal_id for deal in forecast.deals] == ["b", "c", "d"]
    crm.stages["a"] = "Negotiation"
    reader.night(crm)
    assert reader.outcomes()["a"] == "open"


def test_an_unreadable_deal_does_not_affect_others(reader: Reader) -> None:
    """It is reported, read again, and open until then; so is a deal that the CRM does not have."""
    report, _ = reader.night(Crm(a="Gewonnen", b=None, d="Closed Lost"))
    assert (report.read, report.missing) == (2, 1)
    assert [problem.split(":")[0] for problem in report.problems] == ["deal b"]
    assert reader.outcomes() == {"a": "won", "b": "open", "c": "open", "d": "lost"}
    assert reader.night(Crm(b="Closed Won", c="Won"))[1] == ["b", "c"]
    assert reader.outcomes()["b"] == "won"


def test_unreadable_deals_are_quarantined(reader: Reader, database: Database) -> None:
    """The bytes are kept, whether they are JSON of another shape or no JSON at all."""
    reader.night(Crm(a=None, b="<html>", d="Closed Lost"))
    with database.connection() as connection:
        kept = connection.execute("SELECT origin, body FROM copilot_ops.quarantine ORDER BY body").fetchall()
    assert kept == [("deal", b"<html>"), ("deal", b"[]")]


def test_stops_after_consecutive_failures(database: Database, home: Path) -> None:
    """The rest is left to the next read; what was stored before stays."""
    load(database, {CALLS: [call(f"c-{deal}", deal_id=deal) for deal in "abcdefgh"]})
    reader = Reader(database, home)
    report, received = reader.night(Crm(a="Closed Won", is_down_from="b"))
    assert received == list("abcdef")
    assert report.problems[-1] == "2 more deals were not read"
    assert reader.outcomes()["a"] == "won"
    assert reader.night(Crm(**dict.fromkeys("bcdefgh", "Closed Lost")))[1] == list("bcdefgh")


def test_without_calls_there_are_no_deals(database: Database, home: Path) -> None:
    """The table is empty, and no request is sent."""
    reader = Reader(database, home)
    assert reader.night(Crm(a="Closed Won")) == (MirrorRead(), [])
    assert reader.outcomes() == {}
    assert column(database, "SELECT deal_id FROM copilot.deals") == []


def test_a_deal_has_the_currency_that_its_text_names(database: Database, home: Path) -> None:
    """As the calls name it if the CRM's record has a bare number, else that of the settings."""
    values = {"a": "48.000,00 €", "b": "$48,000", "c": "48000"}
    load(database, {CALLS: [call(f"c-{deal}", deal_id=deal, deal_value_raw=raw) for deal, raw in values.items()]})
    deals = Deals(Lake(str(home)), database, OUTCOMES, currency=CurrencySettings(default="GBP"))
    with Crm(a="Won", b="Won", c="Won").client() as (client, _):
        deals.read(client)
    deals.build_table()
    with database.connection() as connection:
        rows = connection.execute("SELECT deal_id, amount, currency FROM copilot.deals ORDER BY 1").fetchall()
    assert rows == [("a", 48000.0, "EUR"), ("b", 48000.0, "USD"), ("c", 48000.0, "GBP")]
