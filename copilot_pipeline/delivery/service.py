"""Delivery as the rest of the pipeline uses it: enqueue, send, report failures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from copilot_pipeline.clients.rate_limits import MANUAL, RateLimits
from copilot_pipeline.clients.semarize.connect import kits_of
from copilot_pipeline.config.loading import Settings, explain_in_file
from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import all_sinks
from copilot_pipeline.delivery.credential_incidents import open_semarize_client
from copilot_pipeline.delivery.dispatcher import MAX_WAIT_SECONDS, Dispatcher, SendReport
from copilot_pipeline.delivery.incident_monitor import IncidentMonitor, incident_monitor
from copilot_pipeline.delivery.incidents import Failure
from copilot_pipeline.delivery.kit_schemas import KitSchemas
from copilot_pipeline.delivery.model import Sink
from copilot_pipeline.delivery.regression_alerts import enqueue_regression_digests
from copilot_pipeline.delivery.report_delivery import EMAIL_SINK, WeeklyMessage, enqueue_report
from copilot_pipeline.delivery.rule_checks import find_mistakes, find_mistakes_in_scores, routes_with_mistakes
from copilot_pipeline.delivery.rules import Rule, configured_rules
from copilot_pipeline.delivery.sinks import build_email_sink, build_sink
from copilot_pipeline.errors import ConfigurationError, RequestRefused
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching_regressions import RegressionRow

_ROUTES_INCIDENT = "routes of pipeline.yaml"


class DeliveryService:
    """Rules, outbox and incidents of the configured pipeline."""

    def __init__(
        self, settings: Settings, database: Database, limits: RateLimits, progress: Progress | None = None
    ) -> None:
        self._settings = settings
        self._database = database
        self._rate_limiter = limits.limiter(database, MANUAL)  # read for its weekly quota only
        self._kit_schemas = KitSchemas(
            kits_of(settings), partial(open_semarize_client, settings, database, reports_refusal=False)
        )
        self._progress = progress
        self.rules: list[Rule] = configured_rules(settings)

    def dispatcher(self, *, exclude: Collection[str] = ()) -> Dispatcher:
        """Return the dispatcher of all rules but some, by name."""
        pipeline = self._settings.pipeline
        sinks = all_sinks(pipeline.sinks)
        alerts = pipeline.marts.coaching.alert
        used = dict.fromkeys(
            (*(rule.sink_name for rule in self.rules), *pipeline.incidents.send, *((alerts,) if alerts else ()))
        )
        send = pipeline.marts.report.send
        used |= dict.fromkeys(send.slack_sinks)
        kinds: dict[str, str] = {name: sinks[name].kind for name in used}
        if send.leaders or send.managers:
            kinds[EMAIL_SINK] = "email"

        def build(name: str) -> Sink:
            environment = self._settings.environment
            if name == EMAIL_SINK:
                return build_email_sink(name, environment, Lake(environment.lake_url).read_file)
            return build_sink(name, sinks[name], environment, self._database)

        return Dispatcher(
            self._database,
            [rule for rule in self.rules if rule.name not in exclude],
            kinds,
            build,
            may_repeat=frozenset(name for name in used if sinks[name].on_uncertain == "resend"),
            progress=self._progress,
        )

    def incident_monitor(self) -> IncidentMonitor:
        """Return the monitor that notifies the sinks of `incidents.send`."""
        return incident_monitor(self._settings, self._database)

    def enqueue(self, days: Sequence[date], *, sends_requests: bool = True) -> list[str]:
        """Enqueue what the rules request, of these days.

        Returns a description of excluded routes, if there are any.

        A route with a brick that its kit does not have is excluded and reported as an incident; the others are applied.
        The schema of a kit confirms that: if it `sends_requests`, it is read from Semarize; otherwise nothing counts as
        a mistake, and an open incident stays open.
        """
        if not (self.rules and days):
            return []
        routes = self._settings.pipeline.routes
        mistakes = []
        if sends_requests:
            mistakes = find_mistakes_in_scores(self._database, routes, days, self._kit_schemas.cached)
        problems = []
        if mistakes:
            description = self._explain(mistakes)
            self.incident_monitor().open(
                Failure(_ROUTES_INCIDENT, description, "Correct them, then: copilot-pipeline routes check")
            )
            problems.append(f"{description}\n  These routes are excluded; the others are applied.")
        elif sends_requests:
            self.incident_monitor().resolve(_ROUTES_INCIDENT)
        self.dispatcher(exclude=routes_with_mistakes(mistakes, routes)).enqueue(days)
        return problems

    def enqueue_regression_digests(self, regressions: Sequence[RegressionRow]) -> int:
        """Enqueue the digests of the last week if `coaching.alert` names a sink.

        Returns their number.
        """
        sink = self._settings.pipeline.marts.coaching.alert
        if sink is None or not regressions:
            return 0
        kind = all_sinks(self._settings.pipeline.sinks)[sink].kind
        hosts = self._settings.pipeline.advanced.clari.link_hosts
        return enqueue_regression_digests(
            self._database, regressions, sink, kind, link_hosts=hosts, zone=self._settings.zone
        )

    def enqueue_report(self, message: WeeklyMessage) -> int:
        """Enqueue the weekly report for the recipients of `marts.report.send`; return the number of new messages."""
        return enqueue_report(self._database, message, self._settings.pipeline.marts.report.send)

    def send(self, *, ignore_backoff: bool = False, max_wait_seconds: float = MAX_WAIT_SECONDS) -> SendReport:
        """Send what is queued, check for failures, and send the notifications of these."""
        dispatcher = self.dispatcher()
        report = dispatcher.send(ignore_backoff=ignore_backoff, max_wait_seconds=max_wait_seconds)
        self.incident_monitor().check(quota=self._rate_limiter.quota(), unusable_sinks=report.unusable_sinks)
        report.counts.update(dispatcher.send(max_wait_seconds=0).counts)
        return report

    def check_routes(self) -> list[str]:
        """Check the rules against their kits' schemas.

        Returns what could not be checked, one text per kit.

        Raises `ConfigurationError` that names the line of each mistake, and errors of Semarize such as a refused key.
        """
        schemas, unchecked = {}, []
        for kit in dict.fromkeys(kit for rule in self.rules for kit in rule.kits):
            try:
                schema = self._kit_schemas.read(kit)
            except RequestRefused as error:
                unchecked.append(f"kit {kit}: {error}, so its bricks are not checked")
                continue
            if schema is None:
                unchecked.append(f"kit {kit}: its schema cannot be parsed, so its bricks are not checked")
            else:
                schemas[kit] = schema
        mistakes = find_mistakes(self._settings.pipeline.routes, schemas)
        if mistakes:
            raise ConfigurationError(self._explain(mistakes))
        return unchecked

    def _explain(self, mistakes: Sequence[Mistake]) -> str:
        return explain_in_file(mistakes, self._settings.environment.copilot_pipeline_config)
