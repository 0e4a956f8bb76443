"""HubSpot: bricks onto deals, up to 100 in one request.

`hubspot-api-client` is not used: 24 MB of generated code for one request.
API: https://developers.hubspot.com/docs/api-reference/crm-deals-v3/batch/post-crm-v3-objects-0-3-batch-update
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from copilot_pipeline.delivery.model import DELIVERED, Delivery, Outcome, Verdict
from copilot_pipeline.delivery.sinks.bisect import bisect_batch
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    refused_or_later,
    unanswered,
    unreached,
)

MOST_RECORDS = 100  # of one batch, the vendor's limit
PATH = "/crm/v3/objects/deals/batch/update"

_CODE = re.compile(r"^[A-Z_]{3,60}$")
_PROBLEM = re.compile(r"\b(PROPERTY_DOESNT_EXIST|READ_ONLY_VALUE|INVALID_[A-Z_]{2,40})\b")
_PROPERTY = re.compile(r'"(?:name|propertyName)"\s*:\s*\[?\s*"([a-z][a-z0-9_]{0,99})"')
_WHAT_TO_DO = {
    "PROPERTY_DOESNT_EXIST": "create the property on deals, or correct `map`",
    "READ_ONLY_VALUE": "the property may not be written: take it from `map`",
    "INVALID_OPTION": "the property has no such option",
    "OBJECT_NOT_FOUND": "there is no such deal",
}


class HubspotSink:
    """Deals of one portal, with the token of a private app."""

    kind = "hubspot"
    batch_size = MOST_RECORDS

    def __init__(self, base_url: str, token: str, *, line: SinkHttpClient | None = None) -> None:
        self._url = base_url + PATH
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._line = line or SinkHttpClient()

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Writes the records. Writing the same again does no harm."""
        return bisect_batch(batch, self._attempt, _is_about_fields)

    def _attempt(self, batch: Sequence[Delivery]) -> list[Outcome] | Outcome:
        inputs = [{"id": one.payload["id"], "properties": _properties(one.payload["fields"])} for one in batch]
        try:
            content = json.dumps({"inputs": inputs}).encode()
            reply = self._line.send("POST", self._url, content=content, headers=self._headers)
        except ConnectFailed as error:
            return unreached(error)
        except ResponseLost as error:
            return unanswered(error, may_repeat=True)
        answer = reply.json()
        if reply.status in (200, 201, 207) and isinstance(answer, dict):
            outcomes = _of_records(batch, answer)
            return [outcome or self.send([one])[0] for one, outcome in zip(batch, outcomes, strict=True)]
        if reply.status == 400:
            return _of_error(reply.body.decode("utf-8", "replace"), answer)
        return refused_or_later(reply, _category(answer))

    def doubt(self) -> None:
        """A repeat does no harm: nothing to ask."""

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()


def _properties(fields: dict[str, Any]) -> dict[str, str]:
    """HubSpot takes every value as text."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in fields.items()
    }


def _of_records(batch: Sequence[Delivery], answer: dict[str, Any]) -> list[Outcome | None]:
    """What became of each; None for a deal that may be the one an error without a name is about."""
    results, errors = _objects(answer.get("results")), _objects(answer.get("errors"))
    if not errors and len(results) == len(batch):
        return [DELIVERED] * len(batch)  # a deal that was merged into another answers with the other's id
    found = {str(one.get("id")): DELIVERED for one in results}
    unnamed = []
    for error in errors:
        context = error.get("context")
        ids = context.get("ids") if isinstance(context, dict) else None
        named = ids if isinstance(ids, list) else []
        unnamed += [] if named else [error]
        found |= {str(identity): _of_error(json.dumps(error), error) for identity in named}
    unmentioned = Outcome(Verdict.LATER, "the answer does not mention this deal") if not unnamed else None
    if unnamed and len(batch) == 1:
        unmentioned = _of_error(json.dumps(unnamed[0]), unnamed[0])
    return [found.get(one.payload["id"], unmentioned) for one in batch]


def _of_error(text: str, answer: object) -> Outcome:
    """Codes and names of properties only: the vendor's sentence quotes the value."""
    text = text.replace('\\"', '"')  # the list of problems is JSON inside a JSON string
    problem = _PROBLEM.search(text)
    code = problem[1] if problem else _category(answer) or "refused without a reason that can be shown"
    names = list(dict.fromkeys(_PROPERTY.findall(text)))
    reason = code + (f" ({', '.join(names)})" if names else "")
    advice = _WHAT_TO_DO.get(code)
    return Outcome(Verdict.REFUSED, f"{reason}: {advice}" if advice else reason)


def _category(answer: object) -> str | None:
    value = answer.get("category") if isinstance(answer, dict) else None
    return value if isinstance(value, str) and _CODE.match(value) else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_about_fields(outcome: Outcome) -> bool:
    return (outcome.reason or "").startswith(("PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"))
