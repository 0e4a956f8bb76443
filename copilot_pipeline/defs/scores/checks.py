"""Checks of the scores, their evidence and their deliveries."""

import dagster as dg

from copilot_pipeline.defs.counted_checks import CHECKED_DAYS, CountedCheck, first_checked_day
from copilot_pipeline.defs.markdown import bullet_list
from copilot_pipeline.defs.resources.storage import PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.load.tables import EVIDENCE, SEMARIZE_SCORES
from copilot_pipeline.load.warehouse import outdated_kit_views
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.score.kit_changes import kit_changes

_SQL = load_queries(__package__, "checks.sql")
MIN_FOUND_SHARE = 0.9

transcripts_have_scores = CountedCheck(
    "transcripts_have_scores",
    SEMARIZE_SCORES.name,
    "Every transcript with words has a score from each kit that applies to it (see the view calls_without_scores).",
    _SQL["transcripts_without_score"],
    severity=dg.AssetCheckSeverity.ERROR,
)
quotes_were_said = CountedCheck(
    "quotes_were_said",
    EVIDENCE.name,
    f"At least {MIN_FOUND_SHARE:.0%} of the quotes that scores give as evidence are found in their transcripts.",
    _SQL["quotes_not_found"],
    max_share=1 - MIN_FOUND_SHARE,
)
deliveries_are_accepted = CountedCheck(
    "deliveries_are_accepted",
    SEMARIZE_SCORES.name,
    "No sink refuses a delivery, and the outcome of every delivery is known (see `copilot-pipeline deliveries`).",
    _SQL["deliveries_not_accepted"],
)


@dg.asset_check(
    name="kits_stay_the_same",
    asset=SEMARIZE_SCORES.name,
    description=f"In the last {CHECKED_DAYS} days each kit had one version, and each brick one kind of value.",
)
@retried_when_disconnected
def kits_stay_the_same(postgres: PostgresResource) -> dg.AssetCheckResult:
    """Scores of two versions are not comparable; `kit_version_id` separates them."""
    changes = kit_changes(postgres.database, first_checked_day())
    return dg.AssetCheckResult(
        passed=not changes,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"changes": bullet_list(changes)},
    )


@dg.asset_check(
    name="kit_views_are_current",
    asset=SEMARIZE_SCORES.name,
    description="The view of each kit (`scores_<kit>`) has a column for each of its bricks.",
)
@retried_when_disconnected
def kit_views_are_current(postgres: PostgresResource, settings: SettingsResource) -> dg.AssetCheckResult:
    """A view cannot have more than 1,600 columns, and cannot change while another view depends on it."""
    outdated = outdated_kit_views(postgres.database, list(settings.load().pipeline.kits))
    return dg.AssetCheckResult(
        passed=not outdated,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"outdated": ", ".join(outdated) or "none"},
    )


SCORE_CHECKS = [
    *(check.definition() for check in (transcripts_have_scores, quotes_were_said, deliveries_are_accepted)),
    kits_stay_the_same,
    kit_views_are_current,
]
