"""The steps of the incremental run, built from the resources by the same factories as those of the assets."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from copilot_pipeline.clients.semarize.connect import kits_of
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.resources.services import (
    ClariCopilotResource,
    DeliveriesResource,
    RateLimiterResource,
    SemarizeResource,
)
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.extract.details import DetailExtraction
from copilot_pipeline.extract.factory import open_extraction, open_webhook_processor
from copilot_pipeline.extract.polling import SOURCE as POLL
from copilot_pipeline.extract.table_factory import make_call_tables
from copilot_pipeline.extract.webhook_calls import WEBHOOK, WebhookProcessor
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.factory import RUNNER_RETRIES, make_score_tables, open_runner
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import CallStore, Inbox, PendingCalls

if TYPE_CHECKING:
    from copilot_pipeline.delivery.service import DeliveryService


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a run, the same that the assets use. `runner` is None if no kits are configured."""

    calls: CallStore
    pending: PendingCalls
    inbox: Inbox
    webhooks: WebhookProcessor
    open_extraction: Callable[[], AbstractContextManager[DetailExtraction]]
    make_call_tables: Callable[[], CallTables]
    runner: SemarizeRunner | None
    score_tables: ScoreTables
    deliveries: "DeliveryService"
    open_runs: Callable[[], dict[date, set[str]]]


@contextmanager
def open_steps(
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    rate_limiter: RateLimiterResource,
    clari_copilot: ClariCopilotResource,
    semarize: SemarizeResource,
    deliveries: DeliveriesResource,
    *,
    is_in_reach: Callable[[date], bool],
) -> Iterator[Steps]:
    """The steps, open. The webhook processor adds calls of days that `is_in_reach` accepts."""
    loaded, database = settings.load(), postgres.database
    files = lake.open(database)
    with ExitStack() as stack:
        client = stack.enter_context(clari_copilot.client(WEBHOOK))
        webhooks = stack.enter_context(open_webhook_processor(loaded, client, database, is_in_reach=is_in_reach))
        runner = None
        if loaded.pipeline.kits:
            scorer = stack.enter_context(semarize.client(RUNNER_RETRIES))
            runner = stack.enter_context(stack.enter_context(open_runner(loaded, scorer, database, files)))
        yield Steps(
            calls=CallStore(database, loaded.zone),
            pending=PendingCalls(database),
            inbox=Inbox(database),
            webhooks=webhooks,
            open_extraction=lambda: _poll_extraction(loaded, database, files, rate_limiter, clari_copilot),
            make_call_tables=lambda: make_call_tables(loaded, database, files),
            runner=runner,
            score_tables=make_score_tables(loaded, database, files),
            deliveries=deliveries.service(),
            open_runs=lambda: open_runs(loaded, database),
        )


@contextmanager
def _poll_extraction(
    settings: Settings,
    database: Database,
    lake: Lake,
    rate_limiter: RateLimiterResource,
    clari_copilot: ClariCopilotResource,
) -> Iterator[DetailExtraction]:
    with (
        clari_copilot.client(POLL) as client,
        open_extraction(settings, client, database, lake, rate_limiter.limits, source=POLL) as extraction,
    ):
        yield extraction


def open_runs(settings: Settings, database: Database) -> dict[date, set[str]]:
    """Calls with a paid Semarize run whose result no process is waiting for, by day."""
    return PendingCalls(database).with_open_runs({kit.name: kit.reference for kit in kits_of(settings)})
