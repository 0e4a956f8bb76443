"""Salesforce: write bricks to Opportunities, up to 200 per request.

Each record succeeds or fails independently.

`simple-salesforce` is not used: it signs in at *.salesforce.com only, depends on a SOAP stack (zeep, lxml), does not
support composite collections, and quotes addresses and responses in its exceptions.
REST API: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_update.htm
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from copilot_pipeline.delivery.model import SENT, Delivery, SendResult, SendStatus, SinkProblem
from copilot_pipeline.delivery.sinks.bisect import bisect_batch
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    SinkResponse,
    connect_failed,
    error_result,
    response_lost,
)

API_VERSION = "v62.0"
MAX_RECORDS = 200  # per collection request, the vendor's limit
OBJECT = "Opportunity"

_ORG = re.compile(r"https://([a-z0-9-]+\.)+(salesforce\.com|force\.com|salesforce\.mil)(:443)?/?", re.IGNORECASE)
_CODE = re.compile(r"[A-Z_]{3,60}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_MISSING_COLUMN = re.compile(r"No such column '([A-Za-z][A-Za-z0-9_]{0,79})'")
_TEMPORARY = frozenset(
    {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "UNKNOWN_EXCEPTION", "ALREADY_IN_PROCESS"}
)
_LIMITS = frozenset({"REQUEST_LIMIT_EXCEEDED", "API_CURRENTLY_DISABLED", "CONCURRENT_REQUEST_LIMIT_EXCEEDED"})
_NEXT_STEPS = {
    "INVALID_FIELD": "create the field on Opportunity, or correct `map`",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "let the integration user write it (field-level security), or unmap it",
    "INSUFFICIENT_ACCESS_OR_READONLY": "let the integration user edit this record",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "let the integration user edit this record",
    "ENTITY_IS_DELETED": "the opportunity is deleted",
    "INVALID_CROSS_REFERENCE_KEY": "there is no such opportunity, or the integration user may not see it",
    "NOT_FOUND": "there is no such opportunity, or the integration user may not see it",
    "MALFORMED_ID": "the call's CRM link is not the id of an opportunity",
    "STRING_TOO_LONG": "make the field longer",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule of the org rejects it",
}


class SalesforceSink:
    """Opportunities of one org, with OAuth client credentials at its My Domain."""

    kind = "salesforce"
    batch_size = MAX_RECORDS

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, *, http: SinkHttpClient | None = None
    ) -> None:
        self._base_url = base_url
        self._client = (client_id, client_secret)
        self._http = http or SinkHttpClient()
        self._session: tuple[str, str] | None = None  # (address of the org, access token)

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Write the records. Repeated writes are harmless."""
        return bisect_batch(batch, self._attempt, _concerns_fields)

    def _attempt(self, batch: Sequence[Delivery]) -> list[SendResult] | SendResult:
        try:
            response = self._update(batch)
        except ConnectFailed as error:
            return connect_failed(error)
        except ResponseLost as error:
            return response_lost(error, may_repeat=True)
        if isinstance(response, SendResult):
            return response
        results = response.json()
        if response.status == 200 and isinstance(results, list) and len(results) == len(batch):
            return [_record_result(result) for result in results]
        if 200 <= response.status < 300:
            return SendResult(
                SendStatus.RETRY, "the response does not match the request", problem=SinkProblem.UNAVAILABLE
            )
        return _request_result(response, results)

    def _update(self, batch: Sequence[Delivery]) -> SinkResponse | SendResult:
        records = [{"attributes": {"type": OBJECT}, "id": one.payload["id"], **one.payload["fields"]} for one in batch]
        content = json.dumps({"allOrNone": False, "records": records}).encode()
        for is_last in (False, True):
            session = self._session or self._sign_in()
            if isinstance(session, SendResult):
                return session
            self._session = session
            url = f"{session[0]}/services/data/{API_VERSION}/composite/sobjects"
            headers = {"Authorization": f"Bearer {session[1]}", "Content-Type": "application/json"}
            response = self._http.send("PATCH", url, content=content, headers=headers)
            if response.status != 401 or is_last:
                return response
            self._session = None  # the token has expired
        raise AssertionError("unreachable")

    def _sign_in(self) -> tuple[str, str] | SendResult:
        form = {"grant_type": "client_credentials", "client_id": self._client[0], "client_secret": self._client[1]}
        response = self._http.send(
            "POST",
            f"{self._base_url}/services/oauth2/token",
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        body = response.json()
        if response.status == 200 and isinstance(body, dict) and isinstance(body.get("access_token"), str):
            address = body.get("instance_url", self._base_url)
            if not isinstance(address, str) or not _is_of_salesforce(address, self._base_url):
                return SendResult(
                    SendStatus.RETRY,
                    "the response to the sign-in names an address outside of Salesforce (instance_url), which gets no "
                    "token: check SALESFORCE_BASE_URL",
                    problem=SinkProblem.CREDENTIALS,
                )
            return address.rstrip("/"), body["access_token"]
        if response.status == 400:
            code = body.get("error") if isinstance(body, dict) else None
            named = f" ({code})" if isinstance(code, str) and re.fullmatch(r"[a-z_]{3,40}", code) else ""
            return SendResult(
                SendStatus.RETRY, f"the client credentials are not accepted{named}", problem=SinkProblem.CREDENTIALS
            )
        return error_result(response, "while signing in")

    def require_probe(self) -> None:
        """Do nothing: a repeat is harmless."""

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _is_of_salesforce(address: str, base_url: str) -> bool:
    """Return whether the token may be sent there: to Salesforce's domains, or to the configured host."""
    if _ORG.fullmatch(address):
        return True
    try:
        parts, base = urlsplit(address), urlsplit(base_url)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc) == (base.scheme, base.netloc) and not parts.query and not parts.fragment


def _record_result(result: object) -> SendResult:
    if isinstance(result, dict) and result.get("success") is True:
        return SENT
    errors = result.get("errors") if isinstance(result, dict) else None
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return _result_of_error(_code(error.get("statusCode")), error)


def _request_result(response: SinkResponse, body: object) -> SendResult:
    error = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else {}
    code = _code(error.get("errorCode"))
    if code in _LIMITS:  # has status 403, but is not a matter of permissions
        return SendResult(SendStatus.RETRY, f"HTTP {response.status}: {code}", problem=SinkProblem.THROTTLED)
    if response.status == 400:
        return _result_of_error(code, error)
    return error_result(response, code)


def _result_of_error(code: str | None, error: Mapping[str, Any]) -> SendResult:
    """Return a result with the code, the fields and the next step.

    Without the vendor's message, which may quote the value.
    """
    if code in _TEMPORARY:
        return SendResult(SendStatus.RETRY, code)
    if code in _LIMITS:
        return SendResult(SendStatus.RETRY, code, problem=SinkProblem.THROTTLED)
    listed = error.get("fields")
    fields = (
        [name for name in listed if isinstance(name, str) and _FIELD.fullmatch(name)]
        if isinstance(listed, list)
        else []
    )
    missing = _MISSING_COLUMN.search(str(error.get("message", "")))
    if missing and missing[1] not in fields:
        fields.append(missing[1])
    reason = code or "rejected without an error code"
    reason += f" ({', '.join(fields)})" if fields else ""
    next_step = _NEXT_STEPS.get(code or "")
    return SendResult(SendStatus.FAILED, f"{reason}: {next_step}" if next_step else reason)


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _concerns_fields(result: SendResult) -> bool:
    return (result.reason or "").startswith("INVALID_FIELD")
