"""Find the CRM record that a call belongs to, or the reason why there is none.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NO_DEAL = "no deal"  # an account is linked, a deal is not
NO_ACCOUNT = "no account"  # nothing is linked
OTHER_CRM = "other CRM"  # the deal belongs to another CRM
REASONS = (NO_DEAL, NO_ACCOUNT, OTHER_CRM)

# The vendors' formats of ids. Used only if the call does not name its CRM.
_SALESFORCE_OPPORTUNITY = re.compile(r"006[A-Za-z0-9]{12}([A-Za-z0-9]{3})?")
_HUBSPOT_ID = re.compile(r"[0-9]{1,20}")
_USABLE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NAMES = {"salesforce": ("salesforce", "sfdc"), "hubspot": ("hubspot",)}
_SUFFIX_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(kind: str, call: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return (id, None) if the call has a deal in this CRM, else (None, reason)."""
    deal_id = str(call.get("deal_id") or "").strip()
    system = re.sub(r"[^a-z]", "", str(call.get("crm_system") or "").lower())
    if not deal_id:
        return None, NO_DEAL if call.get("account_id") else NO_ACCOUNT
    if system:
        is_of_this_crm = system.startswith(_NAMES[kind]) and _USABLE_ID.fullmatch(deal_id)
    else:
        is_of_this_crm = (_SALESFORCE_OPPORTUNITY if kind == "salesforce" else _HUBSPOT_ID).fullmatch(deal_id)
    return (deal_id, None) if is_of_this_crm else (None, OTHER_CRM)


def canonical_record_id(kind: str, record: str) -> str:
    """Return one id per record.

    Salesforce writes the same id with 15 or with 18 characters.
    """
    return long_salesforce_id(record) if kind == "salesforce" else record


def long_salesforce_id(short: str) -> str:
    """Return the 18-character form.

    Its last three letters encode which of the 15 characters are capitals.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{15}", short):
        return short
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << index for index, letter in enumerate(short[start : start + 5]) if "A" <= letter <= "Z")
        suffix += _SUFFIX_LETTERS[bits]
    return short + suffix
