"""What is known, held, stored and scored: in PostgreSQL, changed in one transaction with the fact it records."""

from copilot_pipeline.state.backfills import Backfill, Backfills
from copilot_pipeline.state.calls import CallLedger, KnownCall, ReceivedDetails, RestingCall, WantedCall
from copilot_pipeline.state.inbox import Delivery, Inbox, InboxItem, Outcome, Waiting
from copilot_pipeline.state.list_cursors import Listing, Listings, Place
from copilot_pipeline.state.locks import Claims
from copilot_pipeline.state.partitions import Days, HeldBody, HeldId, LedgerCall
from copilot_pipeline.state.pending_calls import Arrivals
from copilot_pipeline.state.semarize_runs import PaidRun, RunLedger, RunWish

__all__ = [
    "Arrivals",
    "Backfill",
    "Backfills",
    "CallLedger",
    "Claims",
    "Days",
    "Delivery",
    "HeldBody",
    "HeldId",
    "Inbox",
    "InboxItem",
    "KnownCall",
    "LedgerCall",
    "Listing",
    "Listings",
    "Outcome",
    "PaidRun",
    "Place",
    "ReceivedDetails",
    "RestingCall",
    "RunLedger",
    "RunWish",
    "Waiting",
    "WantedCall",
]
