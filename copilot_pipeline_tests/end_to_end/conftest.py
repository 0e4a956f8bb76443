"""Fixtures: a pipeline on a small sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.processes import CommandServer

# Fixed days, so that the data do not depend on the date of the test run. A Sunday is among them.
FIRST_DAY = date(2026, 3, 6)
DAYS = 4

MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def make_pipeline(database_address: str, home: Path, commands: CommandServer) -> Iterator[MakePipeline]:
    """Makes a pipeline; keyword arguments are the sandbox's options."""
    with ExitStack() as stack:

        def make(*, requests_per_second: float = 0, **options: object) -> Pipeline:
            defaults: dict[str, object] = {
                "first_day": FIRST_DAY,
                "days": DAYS,
                "calls_per_day": 15,
                "segments": 12,
                "requests_per_second": 10 if requests_per_second else None,
            }
            sandbox = stack.enter_context(Sandbox(SandboxOptions(**{**defaults, **options})))  # type: ignore[arg-type]
            return Pipeline(sandbox, database_address, home, commands, requests_per_second=requests_per_second)

        yield make
