"""Whether the code location of a run answers, so that a run that crashed can be started again.

Dagster tries to create the retry of a failed run once, within seconds. Without the code location that fails, and the
run is never retried. A crash often ends both, such as one for lack of memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import dagster as dg

# Private, because Dagster has no public client of a code location, only one of the UI's server
# (https://docs.dagster.io/guides/operate/graphql).
from dagster._api.list_repositories import sync_list_repositories_grpc
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

SECONDS_TO_RELOAD = 30.0  # until the daemon has loaded a code location that is back
CODE_SOCKET = "COPILOT_PIPELINE_CODE_SOCKET"  # variable of the daemon of `dev`: where its code location answers


class CodeLocations:
    """The code locations of runs, which are servers of their own, and when one was away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self._away_at = float("-inf")

    def can_create_retry(self, run: dg.DagsterRun) -> bool:
        """Return whether the run's code location has answered for a while, or is none that could answer again."""
        origin = run.remote_job_origin.repository_origin.code_location_origin if run.remote_job_origin else None
        if not isinstance(origin, GrpcServerCodeLocationOrigin):  # a command's run, which is not retried
            return True
        if origin.socket and origin.socket != os.environ.get(CODE_SOCKET):  # of an earlier `dev`
            return True
        try:
            sync_list_repositories_grpc(origin.create_client())
        except (DagsterUserCodeUnreachableError, DagsterUserCodeProcessError):  # no answer; the code does not load
            self._away_at = self._clock()
        return self._clock() - self._away_at >= SECONDS_TO_RELOAD
