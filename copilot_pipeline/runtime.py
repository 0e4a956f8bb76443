"""Everything a step needs, made from settings: the one place where the rooms are put together.

Assets, sensors and commands hold a `Runtime` and ask it for a step; they never build clients or connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from copilot_pipeline.clients.clari import ClariClient, dialect_named
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.config.loading import Settings, load_settings
from copilot_pipeline.delivery.incidents import Problem
from copilot_pipeline.delivery.service import DeliveryService
from copilot_pipeline.errors import ConfigurationError, CredentialsRefused, PipelineError
from copilot_pipeline.extract.accounts import Accounts
from copilot_pipeline.extract.deals import Deals
from copilot_pipeline.extract.details import DetailExtraction
from copilot_pipeline.extract.polling import Poller, PollSettings
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.extract.webhook_calls import WEBHOOK, WebhookProcessor
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.score.rescore import RescoreService
from copilot_pipeline.score.run_requests import SemarizeRunSettings
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import (
    AdvisoryLocks,
    Backfills,
    CallStore,
    Inbox,
    ListCursors,
    PendingCalls,
    SemarizeRunStore,
)
from copilot_pipeline.state.locks import SCORING
from copilot_pipeline.state.page_size import PageSize
from copilot_pipeline.state.rescores import Rescores

if TYPE_CHECKING:
    from copilot_pipeline.marts.build import MartBuilder
    from copilot_pipeline.report import ReportQueries

Report = TypeVar("Report")
BACKFILL = "backfill"  # the one source that may not touch the reserve
BACKFILL_TAG = "copilot_pipeline/backfill"  # on Dagster's runs: the number of the registered backfill
FIRST_PAGE_SIZE = 100
_ASKED_BY_A_PERSON = ("doctor", "routes", "deliveries")  # sources whose answer is read by whoever asked


# The runtime of a command that materializes in its own process: its assets use it instead of opening another.
_current: ContextVar[Runtime | None] = ContextVar("current_runtime", default=None)


class Runtime:
    """The pipeline's parts, opened when first used and closed together."""

    def __init__(self, settings: Settings, *, source: str = "run", progress: Progress | None = None) -> None:
        self.settings = settings
        self.source = source
        self.progress = progress or NoProgress()
        self.problems: list[str] = []
        self.ordered_at: datetime | None = None  # when the command was given; None where it is no command
        self.fatal: PipelineError | None = None

    @cached_property
    def database(self) -> Database:
        """PostgreSQL, its schema up to date."""
        return open_database(self.settings.environment)

    @cached_property
    def lake(self) -> Lake:
        """The Parquet lake."""
        return Lake(self.settings.environment.lake_url)

    @cached_property
    def calls(self) -> CallStore:
        """The ledger of calls."""
        return CallStore(self.database, self.settings.zone)

    @cached_property
    def listings(self) -> ListCursors:
        """The ledger of listings."""
        return ListCursors(self.calls)

    @cached_property
    def runs(self) -> SemarizeRunStore:
        """The ledger of Semarize runs."""
        return SemarizeRunStore(self.database)

    @cached_property
    def page_size(self) -> PageSize:
        """The page size that works."""
        return PageSize(self.database)

    def gate(self, source: str | None = None) -> RateLimiter:
        """The shared pace and weekly budget, as seen through a source."""
        environment = self.settings.environment
        used_source = source or self.source
        share = 1 - self.settings.pipeline.budget.backfill_reserve_share if used_source == BACKFILL else 1.0
        return RateLimiter(
            self.database,
            requests_per_second=environment.copilot_pipeline_requests_per_second,
            requests_per_week=int(environment.copilot_pipeline_requests_per_week * share),
            source=used_source,
        )

    @property
    def units_of_a_page(self) -> int:
        """What the dearest request counts in the week."""
        environment = self.settings.environment
        counts_records = environment.copilot_pipeline_pace_unit == "records"
        return max(1, int(environment.copilot_pipeline_requests_per_second)) if counts_records else 1

    @contextmanager
    def clari(self, source: str | None = None, *, attempts: int | None = None) -> Iterator[ClariClient]:
        """A Clari Copilot client whose every request passes the gate."""
        environment = self.settings.environment
        dialect = dialect_named(environment.clari_copilot_dialect)
        caller = HttpClient(
            "Clari Copilot",
            environment.clari_base_url,
            dialect.auth_headers(*self._clari_secrets()),
            rate_limiter=self.gate(source),
            policy=RetryPolicy(attempts=attempts) if attempts else None,
        )
        try:
            with self._noticing_refusal(caller, "CLARI_COPILOT_API_KEY and CLARI_COPILOT_API_PASSWORD"):
                yield ClariClient(
                    dialect,
                    caller,
                    include_private=self.settings.pipeline.clari.include_private,
                    page_size=self._first_page_size(),
                    on_page_size=self.page_size.save,
                    counts_records=environment.copilot_pipeline_pace_unit == "records",
                )
        finally:
            caller.close()

    @contextmanager
    def _noticing_refusal(self, caller: HttpClient, variables: str) -> Iterator[None]:
        """A key that is refused is told of once, whichever runs meet it, and once more when it is accepted again."""
        name, is_refused = f"credentials of {caller.service}", False
        try:
            yield
        except CredentialsRefused as error:
            is_refused = True
            if self.source not in _ASKED_BY_A_PERSON:
                todo = f"Renew {variables}, restart, and see with: copilot-pipeline doctor"
                self.outgoing.watching().tell(Problem(name, f"{error}. What needs it waits.", todo))
            raise
        finally:
            if caller.has_succeeded and not is_refused:
                self.outgoing.watching().over(name)

    def require(self, *, clari: bool, semarize: bool) -> None:
        """Raises `ConfigurationError` now for a key that will be needed later."""
        if clari:
            self._clari_secrets()
        if semarize and self.kits:
            self._semarize_secret()

    def _clari_secrets(self) -> tuple[str, str]:
        environment = self.settings.environment
        key, password = environment.clari_copilot_api_key, environment.clari_copilot_api_password
        if key is None:
            raise ConfigurationError("CLARI_COPILOT_API_KEY is not set: copy it from Workspace Settings > Integrations")
        if password is None and environment.clari_copilot_dialect == "rest":
            raise ConfigurationError(
                "CLARI_COPILOT_API_PASSWORD is not set: it stands beside the API key, also named API secret"
            )
        return key.get_secret_value(), password.get_secret_value() if password else ""

    def _first_page_size(self) -> int:
        environment = self.settings.environment
        size = self.page_size.load(FIRST_PAGE_SIZE)
        if environment.copilot_pipeline_pace_unit == "records" and environment.copilot_pipeline_requests_per_second:
            # Where the pace counts records, a page holds no more than a second's worth.
            size = max(1, min(size, int(environment.copilot_pipeline_requests_per_second)))
        return size

    @contextmanager
    def semarize(self, policy: RetryPolicy | None = None) -> Iterator[SemarizeClient]:
        """A Semarize client."""
        caller = make_client(self.settings.environment.semarize_base_url, self._semarize_secret(), policy=policy)
        try:
            with self._noticing_refusal(caller, "SEMARIZE_API_KEY"):
                yield SemarizeClient(caller)
        finally:
            caller.close()

    def _semarize_secret(self) -> str:
        key = self.settings.environment.semarize_api_key
        if key is None:
            raise ConfigurationError(
                "SEMARIZE_API_KEY is not set, and pipeline.yaml has kits to score with: set the key, or remove the kits"
            )
        return key.get_secret_value()

    @property
    def kits(self) -> list[Kit]:
        """The kits of pipeline.yaml."""
        return [
            Kit(name=name, code=kit.code, version_id=kit.kit_version_id, calls=kit.calls.kit_filter)
            for name, kit in self.settings.pipeline.kits.items()
        ]

    @contextmanager
    def extraction(self, source: str | None = None) -> Iterator[DetailExtraction]:
        """List, fetch, store."""
        environment = self.settings.environment
        storing = RawPartitionWriter(self.lake, self.calls, environment.clari_copilot_dialect)
        with self.clari(source) as client, AdvisoryLocks(self.database.url) as claims:
            yield DetailExtraction(
                client,
                self.calls,
                self.listings,
                storing,
                claims,
                source=source or self.source,
                requests_in_flight=self.settings.pipeline.advanced.clari.requests_in_flight,
                requests_per_second=environment.copilot_pipeline_requests_per_second,
                progress=self.progress,
            )

    @cached_property
    def inbox(self) -> Inbox:
        """What webhooks announced."""
        return Inbox(self.database)

    @cached_property
    def backfills(self) -> Backfills:
        """The backfills that were registered."""
        return Backfills(self.database)

    def polling(self, client: ClariClient) -> Poller:
        """A poll for changes."""
        rules = self.settings.pipeline.advanced.polling
        return Poller(
            client,
            self.calls,
            self.listings,
            self.database,
            PollSettings(timedelta(minutes=rules.overlap_minutes), timedelta(hours=rules.first_poll_hours)),
        )

    @cached_property
    def arrivals(self) -> PendingCalls:
        """Calls on their way from a source to their scores."""
        return PendingCalls(self.database)

    @contextmanager
    def hints(self, *, is_in_reach: Callable[[date], bool] = lambda _: True) -> Iterator[WebhookProcessor]:
        """Calls that are looked at by their id; what is in reach is taken along to its scores."""
        with self.clari(WEBHOOK) as client, AdvisoryLocks(self.database.url) as claims:
            yield WebhookProcessor(
                client,
                self.calls,
                self.inbox,
                self.arrivals,
                claims,
                self.database,
                max_attempts=self.settings.pipeline.advanced.clari.processing_attempts,
                kits=len(self.kits),
                is_in_reach=is_in_reach,
            )

    @cached_property
    def reference(self) -> Reference:
        """Users, topics, scorecards."""
        return Reference(self.lake, self.database)

    @cached_property
    def deals(self) -> Deals:
        """Deals."""
        return Deals(
            self.lake,
            self.database,
            self.settings.pipeline.marts.outcomes,
            requests_in_flight=self.settings.pipeline.advanced.clari.requests_in_flight,
            progress=self.progress,
        )

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts."""
        return Accounts(
            self.lake,
            self.database,
            requests_in_flight=self.settings.pipeline.advanced.clari.requests_in_flight,
            progress=self.progress,
        )

    def tabulating(self) -> CallTables:
        """The call tables."""
        return CallTables(self.lake, self.database, self.calls, self.runs, self.reference.user_directory())

    @contextmanager
    def scoring(self) -> Iterator[SemarizeRunner]:
        """Semarize runs."""
        rules, advanced = self.settings.pipeline.semarize, self.settings.pipeline.advanced.semarize
        # One attempt: what fails for a moment is put back there, among all that wait.
        with self.semarize(RetryPolicy(attempts=1)) as client, AdvisoryLocks(self.database.url, SCORING) as claims:
            yield SemarizeRunner(
                client,
                self.runs,
                self.lake,
                self.kits,
                SemarizeRunSettings(
                    mode=rules.mode,
                    run_type=rules.run_type,
                    requests_in_flight=advanced.requests_in_flight,
                    runs_in_flight=advanced.runs_in_flight,
                    give_up_after_seconds=advanced.give_up_after_seconds,
                ),
                claims,
                progress=self.progress,
            )

    def rescoring(self) -> RescoreService:
        """Scoring again on purpose."""
        return RescoreService(Rescores(self.database), self.kits)

    def score_tables(self) -> ScoreTables:
        """The score tables."""
        return ScoreTables(self.lake, self.database, self.runs, self.calls, self.kits)

    @property
    def is_of_a_command(self) -> bool:
        """A command materializes in its own process and tells its user itself what to do."""
        return _current.get() is self

    @cached_property
    def outgoing(self) -> DeliveryService:
        """What goes out: to sinks, by the rules, and to people when something fails."""
        return DeliveryService(
            self.settings,
            self.kits,
            database=lambda: self.database,
            semarize=self.semarize,
            week=lambda: self.gate().quota(),
            problems=self.problems,
            progress=self.progress,
        )

    def answering(self) -> MartBuilder:
        """The marts. Only these need scipy, whose import takes longer than a day's run: imported when asked for."""
        from copilot_pipeline.marts.build import MartBuilder

        return MartBuilder(self.lake, self.database, self.settings.pipeline.marts)

    def reading(self) -> ReportQueries:
        """What the report and its pictures are made from."""
        from copilot_pipeline.report import ReportQueries

        return ReportQueries(self.database, self.settings.pipeline.marts.report)

    @property
    def today(self) -> date:
        """The day in the partition zone."""
        return datetime.now(UTC).astimezone(self.settings.zone).date()

    def noticing_fatal(self, reports: Iterator[Report]) -> Iterator[Report]:
        """Passes reports on, and keeps an error that concerns all days for the command that started the run."""
        try:
            yield from reports
        except PipelineError as error:
            self.fatal = error
            raise

    def close(self) -> None:
        """Closes what was opened."""
        if "database" in self.__dict__:
            self.database.close()


@contextmanager
def open_runtime(*, source: str = "run", progress: Progress | None = None) -> Iterator[Runtime]:
    """A runtime from the environment and `pipeline.yaml`; within the block, also the one that assets use."""
    runtime = Runtime(load_settings(), source=source, progress=progress)
    token = _current.set(runtime)
    try:
        yield runtime
    finally:
        _current.reset(token)
        runtime.close()


@contextmanager
def current_runtime(*, source: str) -> Iterator[Runtime]:
    """The runtime of the command that is running, or one of its own."""
    runtime = _current.get()
    if runtime is not None:
        yield runtime
        return
    own = Runtime(load_settings(), source=source)
    try:
        yield own
    finally:
        own.close()
