"""Measure the marts and the report on a company of some size.

`python -m copilot_pipeline_tests.bench.marts` fills a warehouse and measures the commands: all marts, all marts again
with nothing changed, and the report. `--each` measures every mart in a process of its own instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline_tests.bench.company import fill, record_versions

MARTS = (
    "meddicc",
    "coaching",
    "claims",
    "rep_calls",
    "win_loss",
    "open_deals",
    "conversation_outcomes",
    "pipeline",
    "forecast",
)
SETTINGS = """kits: {}
marts:
  claims:
    messages:
    - name: Unified platform
      changed_on: 2026-09-01
      new: [revenue intelligence]
      old: [the numbers of the last quarter]
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used, and the database server meanwhile."""

    name: str
    seconds: float
    cpu_seconds: float
    server_seconds: float
    megabytes: float


def main() -> None:
    """Fill the database of a folder if it is empty, measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m copilot_pipeline_tests.bench.marts", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument("--utterances", type=int, default=200, help="of each call")
    parser.add_argument("--home", type=Path, help="folder that is kept, and used again if it is filled")
    parser.add_argument("--each", action="store_true", help="measure every mart in a process of its own")
    parser.add_argument("--build", choices=MARTS, help="build one mart in this process, nothing else")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = chosen.home or Path(folder)
        database = open_database(Environment(copilot_pipeline_home=home, _env_file=None))  # type: ignore[call-arg]
        if chosen.build:
            build(database, home, chosen.build)
        else:
            _fill(database, chosen)
            Console().print(_table(_measured(database, home, each=chosen.each)))
        database.close()


def build(database: Database, home: Path, name: str) -> None:
    """Build one mart, with one thread for the linear algebra, as a run does."""
    from threadpoolctl import threadpool_limits

    from copilot_pipeline.marts.build import MartBuilder

    builder = MartBuilder(Lake(str(home / "lake")), database, MartSettings())
    with threadpool_limits(limits=1):
        getattr(builder, f"build_{name}")()


def _fill(database: Database, chosen: argparse.Namespace) -> None:
    with database.connection() as connection:
        filled = connection.execute("SELECT FROM copilot.calls LIMIT 1").fetchone()
    if filled is None:
        console = Console(stderr=True)
        fill(
            database,
            calls=chosen.calls,
            deals=chosen.deals,
            utterances=chosen.utterances,
            on_table=lambda name: console.print(f"{time.strftime('%X')} {name}", highlight=False),
        )
    record_versions(database)


def _measured(database: Database, home: Path, *, each: bool) -> list[Used]:
    settings = home / "bench.yaml"
    settings.write_text(SETTINGS)
    environment = {**os.environ, "COPILOT_PIPELINE_HOME": str(home), "COPILOT_PIPELINE_CONFIG": str(settings)}
    if each:
        own = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--home", str(home), "--build"]
        return [_used(name, [*own, name], environment, database) for name in MARTS]
    command = [sys.executable, "-m", "copilot_pipeline"]
    marts = [*command, "marts", "--no-refresh", "--json"]
    report = [*command, "report", "--no-refresh", "--out", str(home / "report.html")]
    return [
        _used("all marts", [*marts, "--force"], environment, database),
        _used("all marts again", marts, environment, database),
        _used("report", report, environment, database),
    ]


def _used(name: str, command: list[str], environment: dict[str, str], database: Database) -> Used:
    before, began = _server_seconds(database), time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    output = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.stderr.close()
    if status:
        raise SystemExit(f"{name} failed:\n{output}")
    seconds = time.monotonic() - began
    result = Used(
        name, seconds, used.ru_utime + used.ru_stime, _server_seconds(database) - before, used.ru_maxrss / 1024
    )
    Console(stderr=True).print(json.dumps([name, round(result.seconds, 1)]), highlight=False)
    return result


def _server_seconds(database: Database) -> float:
    """Return the CPU seconds of the server of this database, its processes that have ended included."""
    with database.connection() as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    postmaster = psutil.Process(row[0]).parent()
    assert postmaster is not None
    times = [postmaster.cpu_times()]
    for child in postmaster.children():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile, and counts as one that has
            times.append(child.cpu_times())
    ended = times[0].children_user + times[0].children_system
    return float(ended + sum(one.user + one.system for one in times))


def _table(results: list[Used]) -> Table:
    table = Table(title="marts and report, start-up included", title_justify="left")
    for heading in ("", "seconds", "CPU seconds", "CPU seconds of PostgreSQL", "MB"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in results:
        table.add_row(
            one.name, *(f"{value:.1f}" for value in (one.seconds, one.cpu_seconds, one.server_seconds)),
            f"{one.megabytes:.0f}",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    main()
