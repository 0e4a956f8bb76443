"""One request to a sink, without retries.

Retries are left to the outbox, which survives a crash.

`clients.http.HttpClient` is not used for three reasons: it retries, its errors contain paths (the path of a Slack
address is a secret), and it does not distinguish "never sent" from "sent, response lost", which decides whether a
message may be sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import httpx
import msgspec

from copilot_pipeline.clients.bounded_response import (
    ACCEPT_ENCODING,
    MEBIBYTE,
    ResponseLimits,
    ResponseTooLarge,
    send_bounded,
)
from copilot_pipeline.clients.connections import open_http_client
from copilot_pipeline.clients.error_response import parse_retry_after
from copilot_pipeline.clients.http import TIMEOUT, USER_AGENT
from copilot_pipeline.delivery.model import SendResult, SendStatus, SinkProblem

# Sinks respond with a few kilobytes within seconds.
RESPONSE_LIMITS = ResponseLimits(
    max_response_bytes=8 * MEBIBYTE, max_decompressed_bytes=8 * MEBIBYTE, attempt_seconds=60.0
)
# No keep-alive: an idle connection that the server has closed would look like a lost response.
_LIMITS = httpx.Limits(max_keepalive_connections=0)
_is_secret: ContextVar[bool] = ContextVar("the address of the current request is a secret", default=False)


def _may_be_logged(_record: logging.LogRecord) -> bool:
    return not _is_secret.get()


# httpx logs every address at INFO, and the address of a webhook is its key.
logging.getLogger("httpx").addFilter(_may_be_logged)


@dataclass(frozen=True, slots=True)
class SinkResponse:
    """A response of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body parsed as JSON, or None if it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class ConnectFailed(Exception):
    """The server was not reached, so nothing can have arrived."""


class ResponseLost(Exception):
    """The request was sent and no complete response was received: it may have arrived."""


class SinkHttpClient:
    """Sends requests to one server."""

    def __init__(self, *, timeout: httpx.Timeout = TIMEOUT, limits: ResponseLimits = RESPONSE_LIMITS) -> None:
        self._limits = limits
        self._client = open_http_client(
            timeout=timeout,
            limits=_LIMITS,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING},
        )

    def send(self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str]) -> SinkResponse:
        """Send one request.

        Raises `ConnectFailed` or `ResponseLost`, whose text never contains the address.
        """
        token = _is_secret.set(True)
        try:
            request = self._client.build_request(method, url, content=content, headers=headers)
            response = send_bounded(self._client, request, self._limits)
        except UnicodeEncodeError:  # headers are ASCII; the error itself would quote the key
            raise ConnectFailed("the key or the address contains a character that cannot be sent") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise ConnectFailed(f"cannot be reached ({type(error).__name__})") from None
        except (httpx.WriteError, httpx.WriteTimeout) as error:  # servers ignore incomplete requests
            raise ConnectFailed(f"the request could not be sent completely ({type(error).__name__})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ConnectFailed(f"the address cannot be used ({type(error).__name__})") from None
        except httpx.RequestError as error:  # includes bodies that cannot be decompressed
            raise ResponseLost(f"no response ({type(error).__name__})") from None
        except ResponseTooLarge as error:
            raise ResponseLost(str(error)) from None
        finally:
            _is_secret.reset(token)
        return SinkResponse(response.status, response.headers, response.body)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def connect_failed(error: ConnectFailed) -> SendResult:
    """Return the result of a failed connection: retry, and pause the sink."""
    return SendResult(SendStatus.RETRY, str(error), problem=SinkProblem.UNAVAILABLE)


def response_lost(error: ResponseLost, *, may_repeat: bool) -> SendResult:
    """Return the result of a lost response: retry if harmless, else uncertain."""
    status = SendStatus.RETRY if may_repeat else SendStatus.UNCERTAIN
    return SendResult(status, str(error), problem=SinkProblem.UNAVAILABLE)


def error_result(response: SinkResponse, detail: str | None = None) -> SendResult:
    """Return the result of a response whose status is not 2xx."""
    reason = f"HTTP {response.status}" + (f": {detail}" if detail else "")
    seconds = parse_retry_after(response.headers.get("retry-after"))
    if response.status in (423, 429):  # 423: HubSpot has locked the records briefly because of too many writes
        return SendResult(SendStatus.RETRY, reason, seconds, SinkProblem.THROTTLED)
    if response.status >= 500 or response.status in (408, 425, 477):  # 477: HubSpot is migrating the account
        return SendResult(SendStatus.RETRY, reason, seconds, SinkProblem.UNAVAILABLE)
    if response.status in (401, 403, 404, 410) or response.status < 400:  # 3xx: the address has changed
        return SendResult(SendStatus.RETRY, reason, seconds, SinkProblem.CREDENTIALS)
    return SendResult(SendStatus.FAILED, reason)
