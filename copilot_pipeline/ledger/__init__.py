"""What is known, held, stored and scored: in PostgreSQL, changed in one transaction with the fact it records."""

from copilot_pipeline.ledger.arrivals import Arrivals
from copilot_pipeline.ledger.backfills import Backfill, Backfills
from copilot_pipeline.ledger.calls import CallLedger, KnownCall, ReceivedDetails, RestingCall, WantedCall
from copilot_pipeline.ledger.claims import Claims
from copilot_pipeline.ledger.days import Days, HeldBody, HeldId, LedgerCall
from copilot_pipeline.ledger.inbox import Delivery, Inbox, InboxItem, Outcome, Waiting
from copilot_pipeline.ledger.listings import Listing, Listings, Place
from copilot_pipeline.ledger.runs import PaidRun, RunLedger, RunWish

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
