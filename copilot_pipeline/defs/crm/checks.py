"""Checks of the links between calls and CRM records."""

import dagster as dg

from copilot_pipeline.defs.counted_checks import CountedCheck
from copilot_pipeline.load.tables import CALLS, DEAL_HISTORY, DEALS
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "checks.sql")
MIN_LINKED_SHARE = 0.5

calls_have_crm_links = CountedCheck(
    "calls_have_crm_links",
    CALLS.name,
    f"At least {MIN_LINKED_SHARE:.0%} of calls with a transcript are linked to a deal or an account.",
    _SQL["calls_without_crm_link"],
    max_share=1 - MIN_LINKED_SHARE,
)
scores_can_be_written_back = CountedCheck(
    "scores_can_be_written_back",
    CALLS.name,
    "Every call that a route writes to a CRM has a record there (see `copilot-pipeline deliveries unlinked`).",
    _SQL["unlinked_calls"],
)
deals_of_calls_are_known = CountedCheck(
    "deals_of_calls_are_known",
    DEALS.name,
    "Every deal that a call is linked to is in `deals`, from which win/loss and the open deals are computed.",
    _SQL["unknown_deals"],
)
deal_versions_follow_each_other = CountedCheck(
    "deal_versions_follow_each_other",
    DEAL_HISTORY.name,
    "Versions of a deal never overlap, and the present one is the deal as the last refresh saw it.",
    _SQL["broken_versions"],
    severity=dg.AssetCheckSeverity.ERROR,
)

CRM_CHECKS = [
    check.definition()
    for check in (
        calls_have_crm_links,
        scores_can_be_written_back,
        deals_of_calls_are_known,
        deal_versions_follow_each_other,
    )
]
