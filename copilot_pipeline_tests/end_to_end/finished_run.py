"""A pipeline after one run, which many tests start from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from copilot_pipeline_tests.database_server import Server
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline


@dataclass(frozen=True)
class FinishedRun:
    """A pipeline whose run has ended. Its sandbox is shared: a test undoes its edits, and compares counters."""

    pipeline: Pipeline
    server: Server
    database: str
    home: Path  # a copy of the pipeline's

    @contextmanager
    def copied(self) -> Iterator[Pipeline]:
        """Yield the pipeline with a copy of its database, and with its home as it was after the run."""
        shutil.rmtree(self.pipeline.home, ignore_errors=True)
        shutil.copytree(self.home, self.pipeline.home)
        self.pipeline.sandbox.set_faults()
        with self.server.new_database(self.database) as address:
            try:
                yield replace(self.pipeline, database_url=address)
            finally:
                self.pipeline.commands.close_commands()


def finish_run(pipeline: Pipeline, server: Server) -> FinishedRun:
    """Run the pipeline over all days of its sandbox."""
    database = str(conninfo_to_dict(pipeline.database_url)["dbname"])
    assert pipeline.run()["complete"] is True
    home = pipeline.home.with_name("home_after_the_run")
    shutil.copytree(pipeline.home, home)
    return FinishedRun(pipeline, server, database, home)
