"""One request to a sink, tried once. Trying again is the business of the outbox, which outlives every process.

The pipeline's `HttpClient` is not used here for three reasons: it waits and tries again by itself, it names paths in
errors (a Slack address is a secret, path and all), and it does not tell "never sent" from "sent, and no answer came",
which decides whether a message may be sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import httpx
import msgspec

from copilot_pipeline.clients.error_response import parse_retry_after
from copilot_pipeline.clients.http import TIMEOUT, USER_AGENT
from copilot_pipeline.delivery.model import Outcome, Trouble, Verdict

# Connections are not kept: a server that closed an idle one would look like a server that swallowed the message.
_LIMITS = httpx.Limits(max_keepalive_connections=0)
_is_secret: ContextVar[bool] = ContextVar("the address under way is a secret", default=False)


def _may_be_logged(_record: logging.LogRecord) -> bool:
    return not _is_secret.get()


# httpx logs every address at INFO, and a webhook's address is its key: whoever knows it can post.
logging.getLogger("httpx").addFilter(_may_be_logged)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """The body as JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class ConnectFailed(Exception):
    """The server was not reached: nothing can have arrived."""


class ResponseLost(Exception):
    """The request went out and no whole answer came back: it may have arrived."""


class SinkHttpClient:
    """Requests to one server."""

    def __init__(self, *, timeout: httpx.Timeout = TIMEOUT) -> None:
        self._client = httpx.Client(
            timeout=timeout, limits=_LIMITS, headers={"User-Agent": USER_AGENT, "Accept": "application/json"}
        )

    def send(self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str]) -> Reply:
        """Send one request. Raises `ConnectFailed` or `ResponseLost`, whose text never contains the address."""
        token = _is_secret.set(True)
        try:
            response = self._client.request(method, url, content=content, headers=headers)
        except UnicodeEncodeError:  # no header holds such a letter; the error itself would quote the key
            raise ConnectFailed("the key or the address holds a character that cannot be sent") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise ConnectFailed(f"cannot be reached ({type(error).__name__})") from None
        except (httpx.WriteError, httpx.WriteTimeout) as error:  # a part of a request is none
            raise ConnectFailed(f"the request could not be sent whole ({type(error).__name__})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ConnectFailed(f"the address cannot be used ({type(error).__name__})") from None
        except httpx.RequestError as error:  # bodies that cannot be unpacked are among them
            raise ResponseLost(f"no answer ({type(error).__name__})") from None
        finally:
            _is_secret.reset(token)
        return Reply(response.status_code, response.headers, response.content)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def unreached(error: ConnectFailed) -> Outcome:
    """The server was not there: later, and the same holds for everything else that waits for it."""
    return Outcome(Verdict.LATER, str(error), trouble=Trouble.DOWN)


def unanswered(error: ResponseLost, *, may_repeat: bool) -> Outcome:
    """No answer. Where a repeat does no harm, later; elsewhere nobody can say."""
    verdict = Verdict.LATER if may_repeat else Verdict.UNSURE
    return Outcome(verdict, str(error), trouble=Trouble.DOWN)


def refused_or_later(reply: Reply, detail: str | None = None) -> Outcome:
    """What a status other than 2xx means for a delivery."""
    reason = f"answered {reply.status}" + (f": {detail}" if detail else "")
    wait = parse_retry_after(reply.headers.get("retry-after"))
    if reply.status in (423, 429):  # 423: HubSpot has locked the records for a moment, because of too much at once
        return Outcome(Verdict.LATER, reason, wait, Trouble.BUSY)
    if reply.status >= 500 or reply.status in (408, 425, 477):  # 477: HubSpot is moving the account elsewhere
        return Outcome(Verdict.LATER, reason, wait, Trouble.DOWN)
    if reply.status in (401, 403, 404, 410) or reply.status < 400:  # 3xx: the address has moved
        return Outcome(Verdict.LATER, reason, wait, Trouble.CREDENTIALS)
    return Outcome(Verdict.REFUSED, reason)
