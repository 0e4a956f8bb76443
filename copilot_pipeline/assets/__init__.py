"""The assets: thin. Which days, which step, what to report."""

from copilot_pipeline.assets.answers import ALL_ANSWERS
from copilot_pipeline.assets.calls import call_tables
from copilot_pipeline.assets.raw import raw_call_details
from copilot_pipeline.assets.reference import accounts, deals, raw_accounts, raw_deals, scorecards, topics, users
from copilot_pipeline.assets.report import weekly_report
from copilot_pipeline.assets.scores import semarize

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
