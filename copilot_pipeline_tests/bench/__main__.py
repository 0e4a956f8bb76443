"""`make bench`: compare the pipeline with a bare httpx loop and with dlt, on the same server, as ratios.

The server is the sandbox without limits, with calls of about 30 KB (200 segments). Every contender runs in its own
process, start-up included, with its own database. Seconds depend on the machine; the ratios should not.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import database_url
from copilot_pipeline.sandbox import Sandbox, SandboxOptions

DAYS = 14
_BARE = """
import os, sys, httpx
headers = {"X-Api-Key": os.environ["CLARI_COPILOT_API_KEY"], "X-Api-Password": os.environ["CLARI_COPILOT_API_PASSWORD"]}
with httpx.Client(base_url=os.environ["CLARI_COPILOT_BASE_URL"], headers=headers) as client:
    for call_id in sys.stdin.read().split():
        client.get("/call-details", params={"id": call_id}).json()
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one contender."""

    name: str
    seconds: float
    cpu_seconds: float  # of the process, user and system: less dependent on what else runs on the machine
    megabytes: float  # the largest resident set of the process
    calls: int

    @property
    def calls_per_second(self) -> float:
        """Calls per second, start-up included."""
        return self.calls / self.seconds


def main() -> None:
    """Measure all contenders and print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=2002, help="number of calls, over 14 days")
    parser.add_argument("--segments", type=int, default=200, help="speaker turns per call")
    parser.add_argument("--dlt", type=Path, help="Python executable with dlt; without it, dlt is not measured")
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
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Sandbox(options) as sandbox:
        results = _measured(sandbox, Path(folder), chosen.dlt, console)
    Console().print(_table(results))


def _measured(sandbox: Sandbox, folder: Path, dlt: Path | None, console: Console) -> list[Measured]:
    environment = {**os.environ, **sandbox.environment(), "COPILOT_PIPELINE_HOME": str(folder / "home")}
    environment |= {"COPILOT_PIPELINE_REQUESTS_PER_SECOND": "0", "COPILOT_PIPELINE_CONFIG": str(folder / "none.yaml")}
    (folder / "none.yaml").write_text("kits: {}\n")
    without_pandas = _without_pandas(folder / "without_pandas")
    home = Path(environment["COPILOT_PIPELINE_HOME"])
    server = database_url(Environment(copilot_pipeline_home=home))
    ids = _ids(sandbox, environment)
    first, last = sandbox.options.first_day.isoformat(), sandbox.options.last_day.isoformat()
    bare = [sys.executable, "-c", _BARE]
    pipeline = [sys.executable, "-m", "copilot_pipeline", "run", "--from", first, "--to", last]
    with console.status("warming up the server"):
        _run("", bare, environment, len(ids), " ".join(ids))
    contenders: list[tuple[str, list[str], str, str]] = [
        ("bare httpx loop: details only, nothing stored", bare, "", " ".join(ids))
    ]
    contenders.append(("pipeline: raw layer", [*pipeline, "--assets", "raw_call_details"], "raw", ""))
    contenders.append(("pipeline: everything, Parquet and Postgres", pipeline, "whole", ""))
    if dlt is not None:
        script = str(Path(__file__).with_name("with_dlt.py"))
        address = environment["CLARI_COPILOT_BASE_URL"]
        contenders.append(("dlt: Postgres only", [str(dlt), script, address, "DATABASE", first, last], "dlt", ""))
    results = []
    for name, command, database, stdin in contenders:
        url = _new_database(server, database) if database else ""
        command = [url if part == "DATABASE" else part for part in command]
        changed = {**environment, "COPILOT_PIPELINE_DATABASE_URL": url}
        changed["COPILOT_PIPELINE_HOME"] = str(folder / f"home_{database}")  # a lake belongs to one database
        if command[0] == sys.executable:
            changed["PYTHONPATH"] = os.pathsep.join([without_pandas, *filter(None, [os.environ.get("PYTHONPATH")])])
        with console.status(name):
            _migrate(changed, database)
            results.append(_run(name, command, changed, len(ids), stdin))
        console.print(f"{results[-1].seconds:6.1f} s  {name}", highlight=False)
    return results


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


def _migrate(environment: dict[str, str], name: str) -> None:
    """Migrate before the measurement, because an installation is migrated once."""
    if name in ("raw", "whole"):
        command = [sys.executable, "-m", "copilot_pipeline", "sql", "SELECT 1"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _run(name: str, command: list[str], environment: dict[str, str], calls: int, stdin: str) -> Measured:
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(stdin)
    process.stdin.close()
    output = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.stderr.close()
    if status:
        raise SystemExit(f"{name or 'warming up'} failed:\n{output}")
    return Measured(name, time.monotonic() - started, used.ru_utime + used.ru_stime, _megabytes(used), calls)


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024 if sys.platform != "darwin" else used.ru_maxrss / 1024**2


def _table(results: list[Measured]) -> Table:
    table = Table(title=f"{results[0].calls} calls, start-up included", title_justify="left")
    for heading in ("", "seconds", "CPU seconds", "calls/s", "MB", "ratio to the bare loop"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in results:
        ratio = one.seconds / results[0].seconds
        table.add_row(
            one.name,
            f"{one.seconds:.1f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.calls_per_second:.0f}",
            f"{one.megabytes:.0f}",
            f"{ratio:.1f} x",
        )
    return table


if __name__ == "__main__":
    main()
