"""The page of a deal in the CRM that the deal is in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from copilot_pipeline.delivery.targets import record_id

DealUrls = Mapping[Any, str]  # by CRM, with `{deal_id}` as a placeholder


def deal_page(call: Mapping[str, Any], any_crm: str | None, by_crm: DealUrls) -> str | None:
    """Return the address of a call's deal; None if there is none, rather than that of another CRM.

    `any_crm` is for deals of a CRM that `by_crm` does not name.
    """
    deal_id = str(call.get("deal_id") or "").strip()
    if not deal_id:
        return None
    crm = next((kind for kind in ("salesforce", "hubspot") if record_id(kind, call)[0] is not None), None)
    url = by_crm.get(crm, any_crm) if crm is not None else any_crm
    return url.replace("{deal_id}", quote(deal_id, safe="")) if url else None
