"""Which record of a CRM a call belongs to, or why to none. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NO_DEAL = "no deal"  # an account is linked, a deal is not
NO_ACCOUNT = "no account"  # nothing is linked at all
UNKNOWN_SYSTEM = "unknown system"  # a deal is linked, and not one of this CRM
REASONS = (NO_DEAL, NO_ACCOUNT, UNKNOWN_SYSTEM)

# How the vendors' ids look. Only where the call does not name its CRM the id has to say which one it is of.
_SALESFORCE_OPPORTUNITY = re.compile(r"^006[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$")
_HUBSPOT_ID = re.compile(r"^[0-9]{1,20}$")
_USABLE_ID = re.compile(r"^[A-Za-z0-9_.:-]{1,64}$")
_NAMES = {"salesforce": ("salesforce", "sfdc"), "hubspot": ("hubspot",)}
_SUFFIX_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(kind: str, call: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(id, None) where the call is linked to a deal of this CRM, else (None, reason)."""
    deal_id = str(call.get("deal_id") or "").strip()
    system = re.sub(r"[^a-z]", "", str(call.get("crm_system") or "").lower())
    if not deal_id:
        return None, NO_DEAL if call.get("account_id") else NO_ACCOUNT
    if system:
        is_this_one = system.startswith(_NAMES[kind]) and _USABLE_ID.match(deal_id)
    else:
        is_this_one = (_SALESFORCE_OPPORTUNITY if kind == "salesforce" else _HUBSPOT_ID).match(deal_id)
    return (deal_id, None) if is_this_one else (None, UNKNOWN_SYSTEM)


def same_record(kind: str, record: str) -> str:
    """One name for one record: Salesforce writes an id with 15 characters or with 18, and means the same."""
    return long_salesforce_id(record) if kind == "salesforce" else record


def long_salesforce_id(short: str) -> str:
    """The 18-character form: three letters say which of the 15 are capitals, five at a time."""
    if not re.fullmatch(r"[A-Za-z0-9]{15}", short):
        return short
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(short[start : start + 5]) if "A" <= letter <= "Z")
        suffix += _SUFFIX_LETTERS[bits]
    return short + suffix
