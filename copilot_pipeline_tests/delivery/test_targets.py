"""The CRM record that a call belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from copilot_pipeline.delivery.targets import NO_ACCOUNT, NO_DEAL, OTHER_CRM, canonical_record_id, record_id

SHORT, LONG = "0065e00000ABcDe", "0065e00000ABcDeAAL"


@pytest.mark.parametrize(
    ("kind", "call", "expected"),
    [
        ("salesforce", {"crm_system": "SALESFORCE", "deal_id": SHORT}, (SHORT, None)),
        ("salesforce", {"crm_system": "Salesforce.com", "deal_id": LONG}, (LONG, None)),
        ("salesforce", {"crm_system": "SFDC", "deal_id": "opp-0001"}, ("opp-0001", None)),
        ("salesforce", {"deal_id": SHORT}, (SHORT, None)),
        ("salesforce", {"deal_id": "001" + SHORT[3:]}, (None, OTHER_CRM)),
        ("salesforce", {"deal_id": "8412"}, (None, OTHER_CRM)),
        ("salesforce", {"crm_system": "HUBSPOT", "deal_id": SHORT}, (None, OTHER_CRM)),
        ("salesforce", {"crm_system": "SALESFORCE", "deal_id": "a deal"}, (None, OTHER_CRM)),
        ("hubspot", {"crm_system": "HUBSPOT", "deal_id": "8412"}, ("8412", None)),
        ("hubspot", {"deal_id": "8412"}, ("8412", None)),
        ("hubspot", {"deal_id": SHORT}, (None, OTHER_CRM)),
        ("hubspot", {"crm_system": "PIPEDRIVE", "deal_id": "8412"}, (None, OTHER_CRM)),
        ("hubspot", {"crm_system": "HUBSPOT", "account_id": "7"}, (None, NO_DEAL)),
        ("hubspot", {"crm_system": "HUBSPOT", "deal_id": " "}, (None, NO_ACCOUNT)),
    ],
)
def test_finds_the_record_by_crm_system_or_by_the_format_of_the_id(
    kind: str, call: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    """A record of another CRM is never written to."""
    assert record_id(kind, call) == expected


def test_both_forms_of_a_salesforce_id_have_one_canonical_form() -> None:
    """The last three letters encode which of the others are capitals."""
    assert canonical_record_id("salesforce", SHORT) == canonical_record_id("salesforce", LONG) == LONG
    assert canonical_record_id("salesforce", "opportunity-001") == "opportunity-001"
