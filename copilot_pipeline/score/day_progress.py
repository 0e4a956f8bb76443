"""Track the runs in progress and the problems of each day."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from copilot_pipeline.score.kit_gate import UnknownKit
from copilot_pipeline.score.run_requests import RunKey, RunTask


@dataclass(slots=True)
class KitRuns:
    """The runs of a kit for the calls of a day."""

    runs: int = 0
    not_done: int = 0
    started_at: float = 0.0  # monotonic
    seconds: float = 0.0  # from the first request to the end of the last run


@dataclass(slots=True)
class ScoredPartition:
    """The result of scoring one day."""

    day: date
    transcripts: int = 0
    problems: list[str] = field(default_factory=list)
    kits: dict[str, KitRuns] = field(default_factory=dict, compare=False)  # measured, so never equal

    def describe(self) -> list[str]:
        """Return the result as log lines, one for each kit with runs."""
        return [
            f"{self.day} {kit}: {one.runs} runs ended in {one.seconds:.1f} s, {one.not_done} not done"
            for kit, one in sorted(self.kits.items())
        ]

    @property
    def is_complete(self) -> bool:
        """Whether all runs of the day have ended."""
        return not self.problems


class DayProgress:
    """The runs in progress by day.

    A day is finished when its transcripts are read and none of its runs is open.
    """

    def __init__(self) -> None:
        self._reports: dict[date, ScoredPartition] = {}
        self._open: defaultdict[date, int] = defaultdict(int)  # runs in progress, plus one while transcripts are read
        self._days: dict[RunKey, date] = {}  # of runs in progress
        self._changed: set[date] = set()
        self._started_at: dict[tuple[date, str], float] = {}  # of the first run of a kit, also over several reports
        self._withheld: Counter[date] = Counter()
        self._without_kit: defaultdict[date, Counter[UnknownKit]] = defaultdict(Counter)

    @property
    def in_progress(self) -> Container[RunKey]:
        """The runs in progress."""
        return self._days.keys()

    def calls_in_progress(self, day: date) -> set[str]:
        """Return the calls of a day with a run in progress."""
        return {call_id for (call_id, _), run_day in self._days.items() if run_day == day}

    def start_day(self, day: date) -> None:
        """Keep the day open until `end_reading`."""
        self._open[day] += 1

    def end_reading(self, day: date) -> None:
        """Count the day as read: it is finished once its runs are."""
        self._end(day)

    def start_runs(self, day: date, tasks: Sequence[RunTask], transcripts: int, withheld: int = 0) -> None:
        """Add runs of a day, and the number of transcripts that they are for.

        `withheld` runs are not created, because their text has another redaction than it should.
        """
        self._withheld[day] += withheld
        self._report(day).transcripts += transcripts
        self._days |= {task.key: day for task in tasks}
        for task in tasks:
            self._runs_of(day, task)
        self._open[day] += len(tasks)

    def end_run(self, task: RunTask) -> None:
        """Remove a run that has ended or is given up."""
        day = self._days.pop(task.key)
        runs = self._runs_of(day, task)
        runs.runs += 1
        runs.seconds = time.monotonic() - runs.started_at
        self._end(day)

    def add_problem(self, task: RunTask, problem: str) -> None:
        """Add a problem to the report of the run's day. The run must be in progress."""
        report = self._report(self._days[task.key])
        report.problems.append(f"call {task.run.call_id}, kit {task.run.kit}: {problem}")
        self._runs_of(self._days[task.key], task).not_done += 1

    def add_unknown_kit(self, task: RunTask, kit: UnknownKit) -> None:
        """Count a call that is not scored, because Semarize does not know the kit. The run must be in progress."""
        self._without_kit[self._days[task.key]][kit] += 1

    def take_finished(self) -> Iterator[ScoredPartition]:
        """Yield the reports of finished days, newest first, each once."""
        for day in sorted((day for day, open_runs in self._open.items() if open_runs == 0), reverse=True):
            del self._open[day]
            yield self._take(day)

    def take_changed(self) -> list[ScoredPartition]:
        """Return the reports of days with a run that ended since the last call."""
        return [self._take(day) for day in sorted(self._changed, reverse=True)]

    def _runs_of(self, day: date, task: RunTask) -> KitRuns:
        started_at = self._started_at.setdefault((day, task.run.kit), time.monotonic())
        return self._report(day).kits.setdefault(task.run.kit, KitRuns(started_at=started_at))

    def _end(self, day: date) -> None:
        self._open[day] -= 1
        self._changed.add(day)

    def _report(self, day: date) -> ScoredPartition:
        return self._reports.setdefault(day, ScoredPartition(day))

    def _take(self, day: date) -> ScoredPartition:
        self._changed.discard(day)
        report = self._reports.pop(day, None) or ScoredPartition(day)
        if withheld := self._withheld.pop(day, 0):
            report.problems.append(
                f"{withheld:,} run(s) were not created: the transcripts were stored before privacy.redact was changed. "
                f"Build them again: copilot-pipeline run --from {day} --to {day}"
            )
        report.problems += [kit.describe(calls) for kit, calls in self._without_kit.pop(day, Counter()).items()]
        return report
