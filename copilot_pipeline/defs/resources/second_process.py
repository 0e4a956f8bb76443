"""The second process of a run that builds marts."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from copilot_pipeline.defs.marts.second_process import MartWork, SecondProcess
    from copilot_pipeline.postgres import Database


class SecondProcessResource(dg.ConfigurableResource[Any]):
    """Builds the marts that fit models while the run builds the others. It ends with the run."""

    _process: "SecondProcess | None" = PrivateAttr(default=None)

    def of_run(self, work: "MartWork", database: "Database", steps: Collection[str]) -> "SecondProcess":
        """The process, which builds the marts among the steps of the run. The first call starts what can be built."""
        if self._process is None:
            from copilot_pipeline.defs.marts.second_process import SecondProcess

            self._process = SecondProcess(work, database, steps)
            self._process.start()
        return self._process

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["SecondProcessResource"]:
        """End the process after the run."""
        self._process = None
        try:
            yield self
        finally:
            if self._process is not None:
                self._process.close()
