"""Build the steps of scoring from settings and open connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import SemarizeClient
from copilot_pipeline.clients.semarize.connect import kits_of
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.load.inputs import score_table_inputs
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.redaction.policy import redaction_policy
from copilot_pipeline.progress import Progress
from copilot_pipeline.score.bricks import Bricks
from copilot_pipeline.score.rescore import RescoreService
from copilot_pipeline.score.run_requests import SemarizeRunSettings
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import AdvisoryLocks, CallStore, SemarizeRunStore
from copilot_pipeline.state.locks import SCORING
from copilot_pipeline.state.rescores import Rescores

# The runner retries a failed request itself, behind the requests that are due.
RUNNER_RETRIES = RetryPolicy(attempts=1)


@contextmanager
def open_runner(
    settings: Settings, client: SemarizeClient, database: Database, lake: Lake, progress: Progress | None = None
) -> Iterator[SemarizeRunner]:
    """Create and collect Semarize runs.

    `client` should be opened with `RUNNER_RETRIES`.
    """
    rules, advanced = settings.pipeline.semarize, settings.pipeline.advanced.semarize
    with AdvisoryLocks(database.url, SCORING) as locks:
        yield SemarizeRunner(
            client,
            SemarizeRunStore(database),
            lake,
            kits_of(settings),
            SemarizeRunSettings(
                mode=rules.mode,
                run_type=rules.run_type,
                requests_in_flight=advanced.requests_in_flight,
                runs_in_flight=advanced.runs_in_flight,
                give_up_after_seconds=advanced.give_up_after_seconds,
                redaction=present_redaction(settings),
            ),
            locks,
            progress=progress,
        )


def present_redaction(settings: Settings) -> str:
    """The fingerprint of the redaction policy, empty without one."""
    policy = redaction_policy(settings)
    return policy.fingerprint if policy is not None else ""


def make_rescore_service(settings: Settings, database: Database) -> RescoreService:
    """What scoring again costs, and its order."""
    return RescoreService(Rescores(database), kits_of(settings), present_redaction(settings))


def make_score_tables(settings: Settings, database: Database, lake: Lake, *, force: bool = False) -> ScoreTables:
    """The score tables of a day. With `force`, days are rebuilt although they are up to date."""
    calls, runs = CallStore(database, settings.zone), SemarizeRunStore(database)
    lake, inputs = lake.hiding(private_columns(settings)), score_table_inputs(settings)
    return ScoreTables(lake, database, runs, calls, kits_of(settings), inputs=inputs, force=force)


def make_bricks(settings: Settings, database: Database, lake: Lake) -> Bricks:
    """The table of bricks."""
    return Bricks(lake.hiding(private_columns(settings)), database, kits_of(settings))
