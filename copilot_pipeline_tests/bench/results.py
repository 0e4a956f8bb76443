"""Results of a benchmark: as a table, and as a file that a later run is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

KEPT = Path(__file__).parents[2] / "docs" / "performance.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one contender, its start included."""

    name: str
    seconds: float
    cpu_seconds: float  # of the process and those it started, user and system; without PostgreSQL
    megabytes: float  # the largest resident set of one process

    def ratios(self, bare: Measured) -> Ratios:
        """Return this result divided by that of the bare loop in the same run."""
        return Ratios(
            round(self.seconds / bare.seconds, 2), round(self.cpu_seconds / bare.cpu_seconds, 2), round(self.megabytes)
        )


@dataclass(frozen=True, slots=True)
class Ratios:
    """What can be compared with a run at another time: time and CPU time as multiples of the bare loop's."""

    time: float
    cpu: float
    megabytes: int


def load(path: Path = KEPT) -> dict[str, Ratios]:
    """Return the ratios that were kept, by contender; none if there is no file."""
    if not path.exists():
        return {}
    return {name: Ratios(**ratios) for name, ratios in json.loads(path.read_text())["contenders"].items()}


def keep(results: Sequence[Measured], latencies: Mapping[str, float], options: Mapping[str, int], path: Path) -> None:
    """Write the ratios and the seconds from webhook to row."""
    content = {
        "options": dict(options),
        "contenders": {result.name: asdict(result.ratios(results[0])) for result in results},
        "webhook_to_row_seconds": dict(latencies),
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def table(results: Sequence[Measured], calls: int, kept: Mapping[str, Ratios]) -> Table:
    """Return the results, each beside the ratio of CPU time that was kept."""
    shown = Table(title=f"{calls} calls, start-up included", title_justify="left")
    for heading in ("", "seconds", "CPU seconds", "MB", "time / bare loop", "CPU / bare loop", "CPU ratio kept"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for result in results:
        ratios, before = result.ratios(results[0]), kept.get(result.name)
        shown.add_row(
            result.name,
            f"{result.seconds:.1f}",
            f"{result.cpu_seconds:.1f}",
            f"{result.megabytes:.0f}",
            f"{ratios.time:.2f}",
            f"{ratios.cpu:.2f}",
            f"{before.cpu:.2f} ({ratios.cpu / before.cpu - 1:+.0%})" if before else "",
        )
    return shown
