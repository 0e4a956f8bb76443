"""Progress on a terminal: a bar per step and messages above them. Without a terminal, plain lines."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 10.0
_logger = logging.getLogger("copilot_pipeline.runs")


class ProgressBars:
    """A `Progress` that draws bars. Thread-safe and cheap to call."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<16}", markup=False),
            BarColumn(bar_width=36),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="dim", markup=False),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=5,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> ProgressBars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def expect(self, step: str, items: int) -> None:
        """Add items to the total of a step."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=0, rate="")
            self._started[step] = time.monotonic()
        self._expected[step] = self._expected.get(step, 0) + items
        self._progress.update(self._tasks[step], total=self._expected[step])

    def advance(self, step: str, items: int = 1) -> None:
        """Count items of a step as done."""
        self._done[step] = self._done.get(step, 0) + items
        if step in self._tasks:
            seconds = max(time.monotonic() - self._started[step], 1e-9)
            self._progress.update(self._tasks[step], advance=items, rate=f"{self._done[step] / seconds:.1f}/s")
        if not self._console.is_terminal and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._console.print(f"{step}: {self._done[step]} of {self._expected.get(step, 0)}")

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text)

    def log(self, line: str) -> None:
        """Write a line to the log, which is on standard error, if there is no terminal for the bars."""
        if not self._console.is_terminal:
            _logger.info(line)
