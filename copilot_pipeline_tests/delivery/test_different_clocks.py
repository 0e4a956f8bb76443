"""Machines whose clocks differ and that share a database."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import HOOK, add_call, states
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, serving
from copilot_pipeline_tests.simulations.virtual_clock import VirtualClock, is_available

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not is_available(), reason="needs Linux and a C compiler")]

ROUTE = {**HOOK, "first_run": "suppress", "max_age": "none"}
MACHINE = f"""
import sys
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import DAY, make_dispatcher, rules

dispatcher = make_dispatcher(Database(sys.argv[1]), sys.argv[2], rules({ROUTE!r}), None)
dispatcher.enqueue([DAY])
dispatcher.send(max_wait_seconds=0)
"""


def machine(folder: Path, seconds_ahead: int, *arguments: str) -> None:
    """Enqueue and send what is due now, on a machine with another clock."""
    folder.mkdir()
    environment = {**os.environ, **VirtualClock(folder, seconds_ahead).environment}
    subprocess.run([sys.executable, "-c", MACHINE, *arguments], env=environment, check=True)


def test_a_call_is_sent_at_once_whatever_the_clocks_of_the_machines(database: Database, tmp_path: Path) -> None:
    """Scored just after a machine that is 90 s ahead made the route active, and sent by one that is 90 s behind."""
    received: list[str] = []

    def answer(request: ReceivedRequest) -> Reply:
        received.append(request.path)
        return Reply(200, b"ok")

    with serving(answer) as server:
        add_call(database, "call-1", {"risk_flag": True}, scored_at=datetime.now(UTC))
        machine(tmp_path / "ahead", 90, database.url, server.url)
        assert states(database) == {"suppressed": 1}  # scored before the route was active
        add_call(database, "call-2", {"risk_flag": True}, scored_at=datetime.now(UTC))
        machine(tmp_path / "behind", -90, database.url, server.url)
    assert states(database) == {"suppressed": 1, "sent": 1}
    assert received == ["/hook"]
