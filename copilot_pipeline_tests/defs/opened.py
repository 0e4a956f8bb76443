"""Resources as a run has them, without a run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from copilot_pipeline.defs.automation.incremental_run import IncrementalRun
from copilot_pipeline.defs.automation.incremental_steps import open_steps
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.resources.services import (
    ClariCopilotResource,
    DeliveriesResource,
    RateLimiterResource,
    SemarizeResource,
)
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.extract.factory import make_poller, open_webhook_processor
from copilot_pipeline.extract.polling import SOURCE as POLL
from copilot_pipeline.extract.webhook_calls import WEBHOOK, WebhookProcessor
from copilot_pipeline.state import Backfills, CallStore, Inbox, PendingCalls


@dataclass(frozen=True)
class Opened:
    """The resources of the environment, open."""

    settings: SettingsResource
    postgres: PostgresResource
    lake: LakeResource
    rate_limiter: RateLimiterResource
    clari_copilot: ClariCopilotResource
    semarize: SemarizeResource
    deliveries: DeliveriesResource

    @property
    def calls(self) -> CallStore:
        """The store of calls."""
        return CallStore(self.postgres.database, self.settings.load().zone)

    @property
    def inbox(self) -> Inbox:
        """The received webhooks."""
        return Inbox(self.postgres.database)

    @property
    def pending(self) -> PendingCalls:
        """The pending calls."""
        return PendingCalls(self.postgres.database)

    @property
    def backfills(self) -> Backfills:
        """The registered backfills."""
        return Backfills(self.postgres.database)

    def poll(self) -> int:
        """Poll once. Return the number of calls that changed."""
        with self.clari_copilot.client(POLL) as client:
            return make_poller(self.settings.load(), client, self.postgres.database).poll().calls

    @contextmanager
    def webhook_processor(self) -> Iterator[WebhookProcessor]:
        """What processes the inbox and the calls to recheck."""
        with (
            self.clari_copilot.client(WEBHOOK) as client,
            open_webhook_processor(self.settings.load(), client, self.postgres.database) as processor,
        ):
            yield processor

    @contextmanager
    def incremental_run(self) -> Iterator[IncrementalRun]:
        """An incremental run over all days, which ends as soon as nothing is pending."""
        resources = [getattr(self, name) for name in self.__dataclass_fields__]
        with open_steps(*resources, is_in_reach=lambda _: True) as steps:
            yield IncrementalRun(steps, lambda _: True, linger_seconds=0)


@contextmanager
def opened_resources() -> Iterator[Opened]:
    """The configured resources, opened as for a run and closed at the end of the block."""
    run = dg.DagsterRun("test", run_id=str(uuid.uuid4()))
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_resources(configured_resources(), instance=instance, dagster_run=run) as resources,
    ):
        yield Opened(**{name: getattr(resources, name) for name in Opened.__dataclass_fields__})
