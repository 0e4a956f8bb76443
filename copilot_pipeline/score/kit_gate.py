"""Ask Semarize for an unknown kit once, not once per call."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.errors import NotFound, TemporaryFailure
from copilot_pipeline.score.run_requests import RunTask


@dataclass(frozen=True, slots=True)
class UnknownKit:
    """A kit that Semarize does not have, or that the key may not use."""

    name: str
    code: str
    next_step: str

    def describe(self, calls: int) -> str:
        """Return one sentence for the calls that are not scored with it."""
        return f"kit {self.name}: {self.code} ({calls:,} call{'s' if calls != 1 else ''}): {self.next_step}"


class KitGate:
    """Holds back the runs of a kit until Semarize has accepted the first one."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._first: dict[str, RunTask] = {}  # by kit, the run in flight that the others wait for
        self._waiting: defaultdict[str, list[RunTask]] = defaultdict(list)
        self._unknown: dict[str, UnknownKit] = {}

    def __len__(self) -> int:
        """Return the number of runs that are held back."""
        return sum(map(len, self._waiting.values()))

    @property
    def unknown_kits(self) -> list[str]:
        """The names of the kits that Semarize does not know."""
        return list(self._unknown)

    def unknown(self, task: RunTask) -> UnknownKit | None:
        """Return the kit of a run that is still to be created, if Semarize does not know it."""
        return self._unknown.get(task.run.kit) if task.run.run_id is None else None

    def admit(self, task: RunTask) -> bool:
        """Return whether the next request of a run may be sent. If not, the run is held back."""
        kit = task.run.kit
        if task.run.run_id is not None or kit in self._known:
            return True
        if kit in self._first:
            self._waiting[kit].append(task)
            return False
        self._first[kit] = task
        return True

    def on_response(self, task: RunTask, error: BaseException | None) -> list[RunTask]:
        """Record the state of a kit from the response to a run. Return the runs that need no longer be held back."""
        kit = task.run.kit
        if isinstance(error, NotFound) and task.run.run_id is None:
            self._unknown[kit] = UnknownKit(kit, error.code or "not found", next_step_of(task.request.kit))
        elif self._first.get(kit) is not task:
            return []
        # After a temporary failure, or if another process is creating the run, another run is the first one.
        elif not isinstance(error, TemporaryFailure) and (task.run.run_id is not None or error is not None):
            self._known.add(kit)
        self._first.pop(kit, None)
        return self._waiting.pop(kit, [])

    def clear(self) -> list[RunTask]:
        """Remove and return all runs that are held back."""
        tasks = [task for tasks_of_kit in self._waiting.values() for task in tasks_of_kit]
        self._waiting.clear()
        return tasks


def next_step_of(kit: Kit) -> str:
    """Return what to do about a kit that Semarize does not know."""
    return f"publish {kit.reference} in Semarize, or fix `{kit.setting}` in {kit.place}"
