"""Simulate a year of the pipeline on a virtual clock, and measure what grows with it.

`python -m copilot_pipeline_tests.simulations.year` fetches a history with a backfill, in several weeks because of the
quota, while calls of the present are announced by webhooks, found by polls and completed by the daily run, some of them
edited afterwards. It prints the promises with their figures as JSON, and exits with 1 if one is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import open_database
from copilot_pipeline.receiver import CLARI_COPILOT, Limits, receiver_app
from copilot_pipeline.receiver.auth import Secrets
from copilot_pipeline.sandbox import Sandbox
from copilot_pipeline.state import Backfills
from copilot_pipeline_tests.simulations.virtual_clock import VirtualClock, advance_to, database_server, is_available
from copilot_pipeline_tests.simulations.year_company import WEBHOOK_SECRET, Company, Options, signed
from copilot_pipeline_tests.simulations.year_history import DAYS_BEFORE, copy_history
from copilot_pipeline_tests.simulations.year_measures import Meter
from copilot_pipeline_tests.simulations.year_report import AT_THE_END, promises

if TYPE_CHECKING:
    from copilot_pipeline_tests.simulations.year_processes import Processes

FINAL_TICKS = 5
_INSIDE = "SIMULATED_YEAR"
_SENSORS = ("pending_calls", "registered_backfills", "weekly_quota", "due_deliveries")


def main() -> None:
    """Run the simulation in a process that has the virtual clock."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in dataclasses.asdict(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options = Options(**vars(parser.parse_args()))
    if not is_available():
        raise SystemExit("the virtual clock needs Linux and a C compiler")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        raise SystemExit(simulate(options, folder))


def simulate(options: Options, folder: Path) -> int:
    """Simulate in an empty folder; return the exit code."""
    clock = VirtualClock(folder)
    with database_server(clock, folder / "postgres") as (url, log):
        environment = {**os.environ, **clock.environment, "COPILOT_PIPELINE_DATABASE_URL": url}
        environment[_INSIDE] = json.dumps(
            {"options": dataclasses.asdict(options), "log": str(log), "home": str(folder)}
        )
        return subprocess.run([sys.executable, "-m", __spec__.name], env=environment, check=False).returncode


@dataclass
class Year:
    """The running simulation."""

    options: Options
    company: Company
    processes: Processes
    meter: Meter
    url: str
    announced_until: datetime

    def run(self) -> None:
        """Simulate the live weeks."""
        database = open_database(Environment())
        Backfills(database).register(
            self.options.first_day, date.fromordinal(self.options.start - 1), calls=None, requests=None
        )
        database.close()
        started = time.monotonic()
        for number in range(7 * self.options.live_weeks):
            self._day()
            if number % 7 == 6:
                week = self.meter.end_week()
                _say(json.dumps(dataclasses.asdict(week)))
                if number == 6:
                    self._extend_history()
                line = f"week {week.number}: {week.calls} calls, {sum(week.requests.values())} requests, "
                _say(line + f"{week.cpu_per_call:.1f} ms CPU per call, {week.rows}")
                if 0 < 60 * self.options.real_minutes < time.monotonic() - started:
                    return

    def _extend_history(self) -> None:
        first, days = self.options.first_day, 7 * self.options.history_weeks
        last = first + timedelta(days=days - 1)
        known = copy_history(self.url, first.isoformat(), last.isoformat(), self.options.known_calls)
        _say(f"{known} calls are known now, with copies on earlier days")

    def _day(self) -> None:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self._at(midnight + timedelta(minutes=10))
        self._tick()  # the quota may have been renewed
        self._at(midnight + timedelta(hours=2, minutes=30))
        self._job("removal")
        self._at(midnight + timedelta(hours=5, minutes=30))
        self._job("reference_data")
        self._at(midnight + timedelta(hours=6))
        closed = [(midnight - timedelta(days=back)).date().isoformat() for back in (7, 1)]
        first, last = closed
        self._job(
            "call_partitions",
            {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
            | {"dagster/schedule_name": "daily_call_partitions"},
        )
        for number in range(self.options.polls_per_day):
            self._at(midnight + timedelta(hours=9 + number * 14 / self.options.polls_per_day))
            self._announce()
            self.company.edit_some(datetime.now(UTC))
            self._job("poll")
            self._tick()

    def tick_at_the_end(self, times: int) -> None:
        """Evaluate the sensors once more, so that chance delays of the machine can be told from slow statements."""
        for name in _SENSORS * times:
            with self.meter.step(f"{AT_THE_END}sensor {name}"):
                self.processes.tick(name)

    def _at(self, moment: datetime) -> None:
        advance_to(moment)

    def _job(self, name: str, tags: dict[str, str] | None = None) -> None:
        with self.meter.step(name):
            failure = self.processes.run(name, tags)
        if failure is not None:
            _say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} {name}: {failure}")

    def _tick(self) -> None:
        for name in _SENSORS:
            with self.meter.step(f"sensor {name}"):
                requests = self.processes.tick(name)
            for request in requests:
                job = {"pending_calls": "incremental_run", "due_deliveries": "deliveries"}.get(name, "call_partitions")
                self._job(job, dict(request.tags))
        with self.meter.step("retries"):
            self.processes.retry_waiting()

    def _announce(self) -> None:
        """Send webhooks for three of four calls that the vendor has processed; polls find the others."""
        now = datetime.now(UTC)
        ids = [each for n, each in enumerate(self.company.ended_between(self.announced_until, now)) if n % 4]
        self.announced_until = now
        with self.meter.step("webhooks"):
            asyncio.run(_post(self.url, ids, now))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def _post(url: str, ids: list[str], now: datetime) -> None:
    app = receiver_app({CLARI_COPILOT: Secrets.parse(WEBHOOK_SECRET)}, url, Limits())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as client,
    ):
        for call_id in ids:
            body, headers = signed(call_id, now)
            (await client.post(CLARI_COPILOT.path, content=body, headers=headers)).raise_for_status()


def run_inside(given: dict[str, Any]) -> int:
    """Simulate in this process, which has the virtual clock; return the exit code."""
    options, folder = Options(**given["options"]), Path(given["home"])
    (folder / "pipeline.yaml").write_text(options.settings())
    url = os.environ["COPILOT_PIPELINE_DATABASE_URL"]
    started = time.monotonic()
    with Sandbox(options.sandbox()) as sandbox:
        os.environ |= sandbox.environment() | {
            "COPILOT_PIPELINE_HOME": str(folder / "home"),
            "COPILOT_PIPELINE_CONFIG": str(folder / "pipeline.yaml"),
            "COPILOT_PIPELINE_FIRST_DAY": (options.first_day - timedelta(days=DAYS_BEFORE + 2)).isoformat(),
            "COPILOT_PIPELINE_REQUESTS_PER_SECOND": "0",
            "COPILOT_PIPELINE_REQUESTS_PER_WEEK": str(options.quota),
        }
        # Imported here: the definitions read the environment when they are imported.
        from copilot_pipeline_tests.simulations.year_processes import Processes

        server = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))
        meter = Meter(url, Path(given["log"]), sandbox, server)
        company = Company(sandbox, options)
        year = Year(options, company, Processes(), meter, url, datetime.now(UTC))
        year.run()
        year.tick_at_the_end(FINAL_TICKS)
        outcome = promises(options, meter, url, FINAL_TICKS)
    sys.stdout.write(json.dumps({**outcome, "real_minutes": round((time.monotonic() - started) / 60)}, indent=1) + "\n")
    return int(bool(outcome["broken"]))


if __name__ == "__main__":
    if _INSIDE in os.environ:
        raise SystemExit(run_inside(json.loads(os.environ[_INSIDE])))
    main()
