"""Salesforce: bricks onto Opportunities, up to 200 in one request, each record succeeding or failing by itself.

`simple-salesforce` is not used: it signs in at *.salesforce.com only, brings a SOAP stack (zeep, lxml), has no call for
composite collections, and quotes addresses and answers in its exceptions.
REST API: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_update.htm
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from copilot_pipeline.delivery.model import DELIVERED, Delivery, Outcome, Trouble, Verdict
from copilot_pipeline.delivery.sinks.bisect import bisect_batch
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    Reply,
    ResponseLost,
    SinkHttpClient,
    refused_or_later,
    unanswered,
    unreached,
)

API_VERSION = "v62.0"
MOST_RECORDS = 200  # of one collection request, the vendor's limit
OBJECT = "Opportunity"

_CODE = re.compile(r"^[A-Z_]{3,60}$")
_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,79}$")
_MISSING_COLUMN = re.compile(r"No such column '([A-Za-z][A-Za-z0-9_]{0,79})'")
_WORTH_ANOTHER_TRY = frozenset(
    {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "UNKNOWN_EXCEPTION", "ALREADY_IN_PROCESS"}
)
_LIMITS = frozenset({"REQUEST_LIMIT_EXCEEDED", "API_CURRENTLY_DISABLED", "CONCURRENT_REQUEST_LIMIT_EXCEEDED"})
_WHAT_TO_DO = {
    "INVALID_FIELD": "create the field on Opportunity, or correct `map`",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "let the integration user write it (field-level security), or leave it out",
    "INSUFFICIENT_ACCESS_OR_READONLY": "let the integration user edit this record",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "let the integration user edit this record",
    "ENTITY_IS_DELETED": "the opportunity is deleted",
    "INVALID_CROSS_REFERENCE_KEY": "there is no such opportunity, or the integration user may not see it",
    "NOT_FOUND": "there is no such opportunity, or the integration user may not see it",
    "MALFORMED_ID": "the call's CRM link is no id of an opportunity",
    "STRING_TOO_LONG": "make the field longer",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule of the org forbids it",
}


class SalesforceSink:
    """Opportunities of one org, signed in by OAuth client credentials at its My Domain."""

    kind = "salesforce"
    batch_size = MOST_RECORDS

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, *, line: SinkHttpClient | None = None
    ) -> None:
        self._base_url = base_url
        self._client = (client_id, client_secret)
        self._line = line or SinkHttpClient()
        self._session: tuple[str, str] | None = None  # (address of the org, access token)

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Writes the records. Writing the same again does no harm."""
        return bisect_batch(batch, self._attempt, _is_about_fields)

    def _attempt(self, batch: Sequence[Delivery]) -> list[Outcome] | Outcome:
        try:
            reply = self._update(batch)
        except ConnectFailed as error:
            return unreached(error)
        except ResponseLost as error:
            return unanswered(error, may_repeat=True)
        if isinstance(reply, Outcome):
            return reply
        results = reply.json()
        if reply.status == 200 and isinstance(results, list) and len(results) == len(batch):
            return [_of_record(result) for result in results]
        if 200 <= reply.status < 300:
            return Outcome(Verdict.LATER, "the answer does not match the records sent", trouble=Trouble.DOWN)
        return _of_whole(reply, results)

    def _update(self, batch: Sequence[Delivery]) -> Reply | Outcome:
        records = [{"attributes": {"type": OBJECT}, "id": one.payload["id"], **one.payload["fields"]} for one in batch]
        content = json.dumps({"allOrNone": False, "records": records}).encode()
        for is_last in (False, True):
            session = self._session or self._sign_in()
            if isinstance(session, Outcome):
                return session
            self._session = session
            url = f"{session[0]}/services/data/{API_VERSION}/composite/sobjects"
            headers = {"Authorization": f"Bearer {session[1]}", "Content-Type": "application/json"}
            reply = self._line.send("PATCH", url, content=content, headers=headers)
            if reply.status != 401 or is_last:
                return reply
            self._session = None  # the token has expired
        raise AssertionError("unreachable")

    def _sign_in(self) -> tuple[str, str] | Outcome:
        form = {"grant_type": "client_credentials", "client_id": self._client[0], "client_secret": self._client[1]}
        reply = self._line.send(
            "POST",
            f"{self._base_url}/services/oauth2/token",
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        answer = reply.json()
        if reply.status == 200 and isinstance(answer, dict) and isinstance(answer.get("access_token"), str):
            address = answer.get("instance_url")
            return (address.rstrip("/") if isinstance(address, str) else self._base_url), answer["access_token"]
        if reply.status == 400:
            code = answer.get("error") if isinstance(answer, dict) else None
            named = f" ({code})" if isinstance(code, str) and re.fullmatch(r"[a-z_]{3,40}", code) else ""
            return Outcome(
                Verdict.LATER, f"the client credentials are not accepted{named}", trouble=Trouble.CREDENTIALS
            )
        return refused_or_later(reply, "while signing in")

    def doubt(self) -> None:
        """A repeat does no harm: nothing to ask."""

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()


def _of_record(result: object) -> Outcome:
    if isinstance(result, dict) and result.get("success") is True:
        return DELIVERED
    errors = result.get("errors") if isinstance(result, dict) else None
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return _of_error(_code(error.get("statusCode")), error)


def _of_whole(reply: Reply, answer: object) -> Outcome:
    error = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], dict) else {}
    code = _code(error.get("errorCode"))
    if code in _LIMITS:  # sent with 403, and no matter of rights
        return Outcome(Verdict.LATER, f"answered {reply.status}: {code}", trouble=Trouble.BUSY)
    if reply.status == 400:
        return _of_error(code, error)
    return refused_or_later(reply, code)


def _of_error(code: str | None, error: Mapping[str, Any]) -> Outcome:
    """The code, the fields and what to do. Not the vendor's sentence: it may quote the value."""
    if code in _WORTH_ANOTHER_TRY:
        return Outcome(Verdict.LATER, code)
    if code in _LIMITS:
        return Outcome(Verdict.LATER, code, trouble=Trouble.BUSY)
    listed = error.get("fields")
    fields = (
        [name for name in listed if isinstance(name, str) and _FIELD.match(name)] if isinstance(listed, list) else []
    )
    missing = _MISSING_COLUMN.search(str(error.get("message", "")))
    if missing and missing[1] not in fields:
        fields.append(missing[1])
    reason = code or "refused without a reason that can be shown"
    reason += f" ({', '.join(fields)})" if fields else ""
    advice = _WHAT_TO_DO.get(code or "")
    return Outcome(Verdict.REFUSED, f"{reason}: {advice}" if advice else reason)


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.match(value) else None


def _is_about_fields(outcome: Outcome) -> bool:
    return (outcome.reason or "").startswith("INVALID_FIELD")
