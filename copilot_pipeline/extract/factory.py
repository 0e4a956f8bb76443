"""Build the steps of extraction from settings and open connections."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.rate_limits import RateLimits
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.accounts import Accounts
from copilot_pipeline.extract.deals import Deals
from copilot_pipeline.extract.details import DetailExtraction
from copilot_pipeline.extract.polling import Poller, PollSettings
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.extract.users import UsersRefresh
from copilot_pipeline.extract.webhook_calls import WebhookProcessor
from copilot_pipeline.load.installation import accept_settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.state import AdvisoryLocks, CallStore, Inbox, ListCursors, PendingCalls

_LOG = logging.getLogger(__name__)


@contextmanager
def open_extraction(
    settings: Settings,
    client: ClariClient,
    database: Database,
    lake: Lake,
    limits: RateLimits,
    *,
    source: str,
    progress: Progress | None = None,
) -> Iterator[DetailExtraction]:
    """List calls, fetch details and store raw partitions; keep the users recent.

    Within the block it may hold advisory locks on calls.
    """
    accept_settings(settings, database)
    calls = CallStore(database, settings.zone)
    users = UsersRefresh(
        client,
        lake.hiding(private_columns(settings)),
        database,
        max_age=timedelta(hours=settings.pipeline.clari.users_max_age_hours),
        warn=progress.note if progress is not None else _LOG.warning,
        min_share=settings.pipeline.advanced.snapshots.min_share,
    )
    with AdvisoryLocks(database.url) as locks:
        yield DetailExtraction(
            client,
            calls,
            ListCursors(calls),
            RawPartitionWriter(lake, calls, settings.environment.clari_copilot_dialect),
            locks,
            source=source,
            requests_in_flight=settings.pipeline.advanced.clari.requests_in_flight,
            progress=progress,
            refresh_users=users.run,
        )


def make_poller(settings: Settings, client: ClariClient, database: Database) -> Poller:
    """A poll for calls that changed since the last one."""
    accept_settings(settings, database)
    calls = CallStore(database, settings.zone)
    rules = settings.pipeline.advanced.polling
    poll_settings = PollSettings(timedelta(minutes=rules.overlap_minutes), timedelta(hours=rules.first_poll_hours))
    return Poller(client, calls, ListCursors(calls), database, poll_settings)


@contextmanager
def open_webhook_processor(
    settings: Settings,
    client: ClariClient,
    database: Database,
    *,
    is_in_reach: Callable[[date], bool] = lambda _: True,
) -> Iterator[WebhookProcessor]:
    """Process webhooks and calls that are due for a retry. Calls of days in reach become pending calls."""
    accept_settings(settings, database)
    with AdvisoryLocks(database.url) as locks:
        yield WebhookProcessor(
            client,
            CallStore(database, settings.zone),
            Inbox(database),
            PendingCalls(database),
            locks,
            database,
            max_attempts=settings.pipeline.advanced.clari.processing_attempts,
            kits=len(settings.pipeline.kits),
            is_in_reach=is_in_reach,
        )


def make_reference(settings: Settings, database: Database, lake: Lake) -> Reference:
    """The users, topics and scorecards of the workspace."""
    return Reference(
        lake.hiding(private_columns(settings)), database, min_share=settings.pipeline.advanced.snapshots.min_share
    )


def make_deals(settings: Settings, database: Database, lake: Lake, progress: Progress | None = None) -> Deals:
    """The deals of the CRM mirror, and the table made from them."""
    return Deals(
        lake.hiding(private_columns(settings)),
        database,
        settings.pipeline.marts.outcomes,
        currency=settings.pipeline.marts.currency,
        requests_in_flight=settings.pipeline.advanced.clari.requests_in_flight,
        progress=progress,
        min_share=settings.pipeline.advanced.snapshots.min_share,
    )


def make_accounts(settings: Settings, database: Database, lake: Lake, progress: Progress | None = None) -> Accounts:
    """The accounts of the CRM mirror, and the table made from them."""
    return Accounts(
        lake.hiding(private_columns(settings)),
        database,
        requests_in_flight=settings.pipeline.advanced.clari.requests_in_flight,
        progress=progress or NoProgress(),
        min_share=settings.pipeline.advanced.snapshots.min_share,
    )
