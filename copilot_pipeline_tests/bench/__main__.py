"""`make bench`: compare the pipeline with a bare httpx loop and with dlt, on the same server, as ratios.

* bare loop: the details of all calls with httpx, nothing is stored
* start-up: `run`, whose first request is refused
* raw layer: `run --assets raw_call_details`
* first run: `run`, all tables in Parquet and PostgreSQL, without kits
* second run: the same command again, with nothing to do
* rebuild: `run --force --assets …`, the call tables from the lake; no row differs
* rebuild, all rows: the same, with nothing known of the stored rows, so that all are written
* dlt: details into PostgreSQL only
* webhook to row: seconds from a webhook in the inbox to the transcript in PostgreSQL, with the daemon running

The server is the sandbox without limits, with calls of about 30 KB (200 segments). Every contender runs in its own
process, start-up included. Seconds depend on the machine; the ratios should not. `--keep` writes the ratios to
docs/performance.json, and every run shows its ratios beside the kept ones.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
from rich.console import Console

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.load.tables import CALL_TABLES
from copilot_pipeline.postgres import database_url
from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline_tests.bench import webhooks
from copilot_pipeline_tests.bench.results import KEPT, Measured, keep, load, table
from copilot_pipeline_tests.bench.webhooks import WARM_UP

DAYS = 14
_DATABASE = "DATABASE"  # in a command: the address of its database
_WRONG_KEY = {"CLARI_COPILOT_API_KEY": "wrong"}
_BARE = """
import os, sys, httpx
headers = {"X-Api-Key": os.environ["CLARI_COPILOT_API_KEY"], "X-Api-Password": os.environ["CLARI_COPILOT_API_PASSWORD"]}
with httpx.Client(base_url=os.environ["CLARI_COPILOT_BASE_URL"], headers=headers) as client:
    for call_id in sys.stdin.read().split():
        client.get("/call-details", params={"id": call_id}).json()
"""


_CALL_TABLES = ",".join(table.name for table in CALL_TABLES)


@dataclass(frozen=True, slots=True)
class Contender:
    """A command that is measured. Those with the same database run in their order."""

    name: str
    command: list[str]
    database: str = ""
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    is_refused: bool = False  # it ends with an error, at its first request
    writes_all_rows: bool = False  # it is measured without the hashes of the stored rows


def main() -> None:
    """Measure all contenders and print the table."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2002, help="number of calls, over 14 days")
    parser.add_argument("--segments", type=int, default=200, help="speaker turns per call")
    parser.add_argument("--dlt", type=Path, help="Python executable with dlt; without it, dlt is not measured")
    parser.add_argument("--webhooks", type=int, default=30, help="number of webhooks, one every two seconds")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.name}, which later runs are compared with")
    chosen = parser.parse_args()
    console = Console(stderr=True)
    options = SandboxOptions(
        days=DAYS,
        calls_per_day=chosen.calls // DAYS,
        segments=chosen.segments,
        traps=False,
        requests_per_second=None,
        requests_per_week=None,
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Sandbox(options) as sandbox:
        folder = Path(name)
        (folder / "none.yaml").write_text("kits: {}\n")
        environment = {**os.environ, **sandbox.environment(), "COPILOT_PIPELINE_REQUESTS_PER_SECOND": "0"}
        environment["COPILOT_PIPELINE_CONFIG"] = str(folder / "none.yaml")
        bench = Bench(environment, folder, console)
        ids = _ids(sandbox, environment)
        results = _measured(bench, sandbox, ids, chosen.dlt)
        announced = ids[: chosen.webhooks + WARM_UP] if chosen.webhooks else ()
        latencies = webhooks.measure(bench.home("webhooks"), announced, folder) if announced else {}
    Console().print(table(results, len(ids), load()))
    for percentile, seconds in latencies.items():
        Console().print(f"webhook to row, {percentile}: {seconds:.1f} s (one every {webhooks.EVERY_SECONDS:.0f} s)")
    if chosen.keep:
        keep(results, latencies, {"calls": len(ids), "segments": chosen.segments}, KEPT)


def _measured(bench: Bench, sandbox: Sandbox, ids: Sequence[str], dlt: Path | None) -> list[Measured]:
    first, last = sandbox.options.first_day.isoformat(), sandbox.options.last_day.isoformat()
    bare, listed = [sys.executable, "-c", _BARE], " ".join(ids)
    run = [sys.executable, "-m", "copilot_pipeline", "run", "--from", first, "--to", last]
    contenders = [
        Contender("bare loop", bare, stdin=listed),
        Contender("start-up", run, "raw", environment=_WRONG_KEY, is_refused=True),
        Contender("raw layer", [*run, "--assets", "raw_call_details"], "raw"),
        Contender("first run", run, "whole"),
        Contender("second run", run, "whole"),
        Contender("rebuild", [*run, "--force", "--assets", _CALL_TABLES], "whole"),
        Contender("rebuild, all rows", [*run, "--force", "--assets", _CALL_TABLES], "whole", writes_all_rows=True),
    ]
    if dlt is not None:
        script, address = str(Path(__file__).with_name("with_dlt.py")), bench.environment["CLARI_COPILOT_BASE_URL"]
        contenders.append(Contender("dlt", [str(dlt), script, address, _DATABASE, first, last], "dlt"))
    bench.measure(Contender("warming up the server", bare, stdin=listed))
    return [bench.measure(contender) for contender in contenders]


class Bench:
    """Measures commands, each group with its own database and its own home."""

    def __init__(self, environment: Mapping[str, str], folder: Path, console: Console) -> None:
        self.environment = environment
        self._folder = folder
        self._console = console
        self._server = database_url(Environment(copilot_pipeline_home=folder / "home"))
        self._without_pandas = _without_pandas(folder / "without_pandas")
        self._homes: dict[str, dict[str, str]] = {}

    def home(self, name: str) -> dict[str, str]:
        """Return the environment of a database, which is created and migrated if it is a new one."""
        if name not in self._homes:
            changed = {**self.environment, "COPILOT_PIPELINE_HOME": str(self._folder / f"home_{name}")}
            changed["COPILOT_PIPELINE_DATABASE_URL"] = _new_database(self._server, name) if name else ""
            paths = [self._without_pandas, *filter(None, [os.environ.get("PYTHONPATH")])]
            changed["PYTHONPATH"] = os.pathsep.join(paths)
            if name not in ("", "dlt"):  # an installation is migrated once
                migrate = [sys.executable, "-m", "copilot_pipeline", "migrate"]
                subprocess.run(migrate, env=changed, check=True, stdout=subprocess.DEVNULL)
            self._homes[name] = changed
        return self._homes[name]

    def measure(self, contender: Contender) -> Measured:
        """Run a command. Raises `SystemExit` if it fails."""
        environment = {**self.home(contender.database), **contender.environment}
        if contender.database == "dlt":
            environment.pop("PYTHONPATH")
        address = environment["COPILOT_PIPELINE_DATABASE_URL"]
        command = [address if part == _DATABASE else part for part in contender.command]
        if contender.writes_all_rows:
            with psycopg.connect(address) as connection:
                connection.execute("UPDATE copilot_ops.table_versions SET contents = NULL")
        with self._console.status(contender.name):
            result = _run(contender, command, environment)
        self._console.print(f"{result.seconds:6.1f} s  {result.name}", highlight=False)
        return result


def _without_pandas(folder: Path) -> str:
    """Create a folder which, in PYTHONPATH, makes pandas look as if it was not installed, and return it.

    pandas is a dependency of the tests only. pyarrow imports it wherever it is installed, which costs 0.4 s and 30 MB.
    """
    folder.mkdir()
    (folder / "pandas.py").write_text("raise ModuleNotFoundError('pandas')\n")
    return str(folder)


def _ids(sandbox: Sandbox, environment: dict[str, str]) -> list[str]:
    """List the ids of all calls, as a client would."""
    keys = {"X-Api-Key": environment["CLARI_COPILOT_API_KEY"]}
    keys["X-Api-Password"] = environment["CLARI_COPILOT_API_PASSWORD"]
    ids: list[str] = []
    skip: int | None = 0
    with httpx.Client(base_url=environment["CLARI_COPILOT_BASE_URL"], headers=keys, timeout=60) as client:
        while skip is not None:
            page = client.get("/calls", params={"skip": str(skip), "limit": "100"}).json()
            ids += [call["id"] for call in page["calls"]]
            skip = page["pagination"].get("nextPageSkip")
    return ids


def _new_database(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def _run(contender: Contender, command: list[str], environment: dict[str, str]) -> Measured:
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(contender.stdin)
    process.stdin.close()
    output = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.stderr.close()
    if bool(status) != contender.is_refused:
        raise SystemExit(f"{contender.name}: unexpected exit status {status}:\n{output}")
    seconds = time.monotonic() - started
    return Measured(contender.name, seconds, used.ru_utime + used.ru_stime, _megabytes(used))


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024 if sys.platform != "darwin" else used.ru_maxrss / 1024**2


if __name__ == "__main__":
    main()
