"""Score again from the Launchpad: its options, the statement of the price, and the request that is paid for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
from pydantic import Field

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.data_versions import RebuildConfig
from copilot_pipeline.load.tables import SEMARIZE_RUNS
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.factory import make_rescore_service
from copilot_pipeline.score.rescore import RescoreService
from copilot_pipeline.state.rescores import RescoreRequest


class ScoringConfig(RebuildConfig):
    """Options of a run in the Launchpad; all have defaults."""

    rescore: bool = Field(default=False, description="Score transcripts again that already have a score.")
    pay: bool = Field(default=False, description="Confirm the cost. Without it, the run states the cost and stops.")
    only_failed: bool = Field(
        default=False, description="Only runs that failed, were refused, or have been open for more than a day."
    )
    other_redaction: bool = Field(
        default=False, description="Only calls that were scored with another redaction than that of pipeline.yaml."
    )
    kits: list[str] = Field(default_factory=list, description="Only these kits, by name. Default: all.")

    @property
    def states_price(self) -> bool:
        """Whether the run only states what it would cost."""
        return self.rescore and not self.pay


@contextmanager
def rescoring(
    context: dg.AssetExecutionContext, config: ScoringConfig, settings: Settings, database: Database, days: list[date]
) -> Iterator[None]:
    """Score again what the run's configuration requests. A retry continues the request and does not pay twice."""
    if not config.rescore:
        yield
        return
    service = make_rescore_service(settings, database)
    request = _request(service, config, days)
    name = _name(context)
    context.log.info(service.cost(request, name).describe())
    started = service.start(request, name)
    yield
    service.finish(started)


def state_price(
    context: dg.AssetExecutionContext, config: ScoringConfig, settings: Settings, database: Database, days: list[date]
) -> None:
    """State what a rescore would cost, in the metadata of an observation of the runs. Nothing is materialized."""
    service = make_rescore_service(settings, database)
    cost = service.cost(_request(service, config, days), _name(context))
    text = f"Not started: {cost.describe()}. Set `pay: true` to confirm."
    context.log.info(text)
    facts: dict[str, int | str] = {"paid_runs": cost.runs, "price": text}
    context.log_event(dg.AssetObservation(SEMARIZE_RUNS.name, description=text, metadata=facts))


def _request(service: RescoreService, config: ScoringConfig, days: list[date]) -> RescoreRequest:
    redaction = service.redaction if config.other_redaction else None
    return RescoreRequest(days[0], days[-1], service.select_kits(config.kits), config.only_failed, redaction)


def _name(context: dg.AssetExecutionContext) -> str:
    return f"dagster {context.run.root_run_id or context.run_id}"
