"""What goes out, put together from settings: deliveries by the rules, and messages to people when something fails."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.rate_limits import MANUAL, RateLimits
from copilot_pipeline.clients.semarize.connect import kits_of, open_client
from copilot_pipeline.config.loading import Settings, explain_in_file
from copilot_pipeline.config.routes import all_sinks
from copilot_pipeline.delivery.credential_incidents import open_semarize_client
from copilot_pipeline.delivery.dispatcher import PATIENCE_SECONDS, Dispatcher, Sent
from copilot_pipeline.delivery.incident_monitor import IncidentMonitor, incident_monitor
from copilot_pipeline.delivery.incidents import Problem
from copilot_pipeline.delivery.observed_bricks import mistakes_now, rules_with
from copilot_pipeline.delivery.regression_alerts import send_regression_alerts
from copilot_pipeline.delivery.rule_checks import Schema, mistakes_against, parse_kit_schema
from copilot_pipeline.delivery.rules import Rule, rules_of
from copilot_pipeline.delivery.sinks import build_sink
from copilot_pipeline.errors import ConfigurationError, PipelineError, RequestRefused
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching import RegressionRow

SCHEMA_LASTS_SECONDS = 300.0
_MISTAKEN = "rules of pipeline.yaml"


class DeliveryService:
    """Rules, the outbox, and who is told of what."""

    def __init__(self, settings: Settings, database: Database, limits: RateLimits, progress: Progress) -> None:
        self._settings = settings
        self._kits = kits_of(settings.pipeline)
        self._database = database
        self._limits = limits
        self._progress = progress
        self._schemas: dict[str, tuple[float, Schema | None]] = {}  # by kit, and when they were read

    @property
    def rules(self) -> list[Rule]:
        """The rules of pipeline.yaml."""
        return configured_rules(self._settings)

    @property
    def sends_anything(self) -> bool:
        """Some sink is named by a rule, or is told of failures or regressions."""
        pipeline = self._settings.pipeline
        return bool(pipeline.routes or pipeline.incidents.send or pipeline.marts.coaching.alert)

    def delivering(self, *, without: Collection[str] = ()) -> Dispatcher:
        """What rules ask for (but for some, by name), and what waits in the outbox."""
        known = all_sinks(self._settings.pipeline.sinks)
        alerts = self._settings.pipeline.marts.coaching.alert
        named = (*(rule.sink_name for rule in self.rules), *self._settings.pipeline.incidents.send)
        used = dict.fromkeys((*named, *((alerts,) if alerts else ())))
        return Dispatcher(
            self._database,
            [rule for rule in self.rules if rule.name not in without],
            {name: known[name].kind for name in used},
            lambda name: build_sink(name, known[name], self._settings.environment),
            may_repeat=frozenset(name for name in used if known[name].on_uncertain == "resend"),
            progress=self._progress,
        )

    def send_regression_alerts(self, slides: Sequence[RegressionRow]) -> int:
        """Asks for an alert of each regression that is news, where pipeline.yaml names a sink for them."""
        name = self._settings.pipeline.marts.coaching.alert
        if name is None or not slides:
            return 0
        return send_regression_alerts(self._database, slides, name, all_sinks(self._settings.pipeline.sinks)[name].kind)

    def enqueue_deliveries(self, days: Sequence[date]) -> list[str]:
        """Puts into the outbox what the rules ask for of these days. Returns what is wrong with rules, in words.

        A rule that asks a kit for what it does not have is set aside, and a person is told of it; the others go on.
        """
        if not (self.rules and days):
            return []
        routes = self._settings.pipeline.routes
        mistakes = mistakes_now(self._database, routes, days, self._schema_of)
        problems = []
        if mistakes:
            what = explain_in_file(mistakes, self._settings.environment.copilot_pipeline_config)
            problems.append(f"{what}\n  These rules are set aside; the others are followed.")
            self.watching().tell(Problem(_MISTAKEN, what, "Correct them, then: copilot-pipeline routes check"))
        else:
            self.watching().over(_MISTAKEN)
        self.delivering(without=rules_with(mistakes, routes)).enqueue(days)
        return problems

    def _schema_of(self, kit_name: str) -> Schema | None:
        """A kit's bricks, a few minutes old at most; None where they cannot be had just now: nothing waits for that."""
        read_at, schema = self._schemas.get(kit_name, (-SCHEMA_LASTS_SECONDS, None))
        if time.monotonic() - read_at >= SCHEMA_LASTS_SECONDS:
            schema = self._read_schema(kit_name)
            self._schemas[kit_name] = (time.monotonic(), schema)
        return schema

    def _read_schema(self, kit_name: str) -> Schema | None:
        kit = next((kit for kit in self._kits if kit.name == kit_name), None)
        try:
            if kit is None:
                return None
            with open_client(self._settings.environment, RetryPolicy(attempts=1)) as client:
                return parse_kit_schema(client.kit_schema(kit))
        except PipelineError:
            return None

    def deliver(self, *, ignore_delay: bool = False, patience_seconds: float = PATIENCE_SECONDS) -> Sent:
        """Sends what waits, looks for failures, and sends what a person has to be told of them."""
        delivering = self.delivering()
        sent = delivering.send(ignore_delay=ignore_delay, patience_seconds=patience_seconds)
        self.watching().look(week=self._limits.limiter(self._database, MANUAL).quota, unusable=sent.problems)
        sent.counts.update(delivering.send(patience_seconds=0).counts)
        return sent

    def watching(self) -> IncidentMonitor:
        """Failures, and who is told of them."""
        return incident_monitor(self._settings, self._database)

    def check_routes(self) -> list[str]:
        """Holds the rules against their kits' schemas. Returns what could not be checked, in words.

        Raises `ConfigurationError` that names the line of each mistake; and whatever Semarize answers to a bad key.
        """
        named = {kit for rule in self.rules for kit in rule.kits}
        schemas, unchecked = {}, []
        if named:
            with open_semarize_client(self._settings, self._database, reports_refusal=False) as client:
                for kit in [kit for kit in self._kits if kit.name in named]:
                    try:
                        schema = parse_kit_schema(client.kit_schema(kit))
                    except RequestRefused as error:
                        unchecked.append(f"kit {kit.name}: {error}, so its bricks are not checked")
                        continue
                    if schema is None:
                        unchecked.append(f"kit {kit.name}: its schema cannot be read, so its bricks are not checked")
                    else:
                        schemas[kit.name] = schema
        mistakes = mistakes_against(self._settings.pipeline.routes, schemas)
        if mistakes:
            raise ConfigurationError(explain_in_file(mistakes, self._settings.environment.copilot_pipeline_config))
        return unchecked


def configured_rules(settings: Settings) -> list[Rule]:
    """The rules of pipeline.yaml."""
    pipeline = settings.pipeline
    address = settings.environment.salesforce_base_url
    deal_url = f"{address}/lightning/r/Opportunity/{{deal_id}}/view" if address else None
    return rules_of(pipeline.routes, pipeline.sinks, list(pipeline.kits), deal_url=deal_url)
