"""The assets: thin. Which days, which step, what to report."""

from copilot_pipeline.defs.calls.call_tables import call_tables
from copilot_pipeline.defs.calls.raw import raw_call_details
from copilot_pipeline.defs.crm.assets import accounts, deals, raw_accounts, raw_deals, scorecards, topics, users
from copilot_pipeline.defs.marts.assets import ALL_ANSWERS
from copilot_pipeline.defs.marts.report import weekly_report
from copilot_pipeline.defs.scores.assets import semarize

ALL_ASSETS = [
    users,
    topics,
    scorecards,
    raw_call_details,
    call_tables,
    semarize,
    raw_deals,
    deals,
    raw_accounts,
    accounts,
    *ALL_ANSWERS,
    weekly_report,
]

__all__ = ["ALL_ASSETS"]
