"""The child process: one ASGI application that emulates all services.

    python -m copilot_pipeline.sandbox.server '{"seed": 7, …}'

It prints its port and exits when its standard input is closed, so that it ends with its parent process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import uvicorn

from copilot_pipeline.sandbox.calls import Calls
from copilot_pipeline.sandbox.clari import ClariCopilot
from copilot_pipeline.sandbox.company import Company
from copilot_pipeline.sandbox.exchange import Reply, Request, as_json
from copilot_pipeline.sandbox.faults import Dice, Faults
from copilot_pipeline.sandbox.history import make_history
from copilot_pipeline.sandbox.limits import Limits
from copilot_pipeline.sandbox.options import WEBHOOK_SECRET, SandboxOptions
from copilot_pipeline.sandbox.planted_person import plant
from copilot_pipeline.sandbox.semarize import Semarize
from copilot_pipeline.sandbox.sinks import Sinks

Handler = Callable[[Request, Faults], Reply]


class World:
    """All services and their common state."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        dice = Dice()
        self.company = Company(options.seed, options.first_day, options.days)
        planned = []
        if options.closed_deals:
            history = make_history(
                options.seed, self.company.sellers, options.first_day, options.days, options.closed_deals
            )
            self.company.use(history.deals)
            planned = history.calls
        self.calls = Calls(options, self.company, planned)
        if options.has_person:
            plant(self.calls)
        self.limits = Limits(options.requests_per_second, options.requests_per_week)
        self.clari = ClariCopilot(options, self.company, self.calls, self.limits, dice)
        self.semarize = Semarize(options, dice)
        self.sinks = Sinks(self.company, dice)
        self.faults = Faults()
        self.mounts: dict[str, Handler] = {
            "clari": self.clari.rest,
            "guide": self.clari.guide,
            "semarize": self.semarize,
            "slack": self.sinks.slack,
            "salesforce": self.sinks.salesforce,
            "hubspot": self.sinks.hubspot,
            "hooks": self.sinks.hook,
            "_sandbox": self._control,
        }

    def handle(self, request: Request) -> Reply:
        """Dispatch to the service that the first part of the path names."""
        mount, _, rest = request.path.lstrip("/").partition("/")
        handler = self.mounts.get(mount)
        if handler is None:
            return as_json(404, {"error": f"no such service; there are {', '.join(self.mounts)}"})
        inner = Request(request.method, f"/{rest}", request.query_string, request.headers, request.body)
        return handler(inner, self.faults)

    # --- control -----------------------------------------------------------------------------------------------

    def _control(self, request: Request, _: Faults) -> Reply:
        body = request.json() or {}
        try:
            match request.path:
                case "/stats":
                    return as_json(200, self._stats())
                case "/reset_stats":
                    self.limits.reset()
                    self.clari.details_by_call.clear()
                    self.clari.requests.clear()
                    self.semarize.requests.clear()
                case "/truth":
                    lines = (json.dumps(self._truth_of(call_id)) for call_id in self.calls.by_id)
                    return Reply(200, "\n".join(lines).encode(), media_type="application/x-ndjson")
                case "/reference":
                    return as_json(200, self._reference())
                case "/outputs":
                    return as_json(200, self.semarize.outputs())
                case "/deliveries":
                    return as_json(200, self.sinks.deliveries())
                case "/faults":
                    self.faults = msgspec.convert(body, Faults)
                case "/edit":
                    self.calls.change(self.calls.by_id[body["call_id"]], body["changes"])
                case "/users":
                    self.company.users = list(body["users"])
                case _:
                    return as_json(404, {"error": "no such control"})
        except (msgspec.ValidationError, KeyError) as error:
            return as_json(400, {"error": str(error)})
        return as_json(200, {"ok": True})

    def _stats(self) -> dict[str, Any]:
        details = self.clari.details_by_call
        created = self.semarize.run_log.created
        return {
            "clari_requests": self.clari.requests,
            "clari_total": sum(self.clari.requests.values()),
            "details_total": sum(details.values()),
            "details_most_for_one_call": max(details.values(), default=0),
            "details_by_call": details,
            "most_in_a_second": self.limits.most_in_a_second,
            "answered_429": self.limits.throttled,
            "refused_for_the_week": self.limits.refused_for_the_week,
            "week_requests": self.limits.week_requests,
            "semarize_requests": self.semarize.requests,
            "runs_created": sum(created.values()),
            "runs_most_for_one_input": max(created.values(), default=0),
        }

    def _truth_of(self, call_id: str) -> dict[str, Any]:
        call = self.calls.by_id[call_id]
        return {
            "call_id": call_id,
            "day": call.started_at.date().isoformat(),
            "is_private": call.is_private,
            "is_removed": call.is_removed,
            "trap": call.trap,
            "item": self.calls.item(call),
            "details": self.calls.details(call),
        }

    def _reference(self) -> dict[str, Any]:
        return {
            "users": self.company.users,
            "deals": [deal.body() for deal in self.company.deals],
        }


class Application:
    """The ASGI application."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        reply = self._world.handle(
            Request(
                scope["method"],
                scope["path"],
                scope["query_string"].decode("latin-1"),
                {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
                b"".join([part async for part in _body(receive)]),
            )
        )
        if reply.delay_seconds:
            await asyncio.sleep(reply.delay_seconds)
        headers = {"content-type": reply.media_type, "content-length": str(len(reply.body)), **reply.headers}
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            }
        )
        if reply.disconnects:
            await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
            raise ConnectionAbortedError("the fault hang_up_share closes the connection")
        await send({"type": "http.response.body", "body": reply.body})


async def _body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _send_run_webhooks(world: World) -> None:
    """Send a signed webhook for each run that ends, as Semarize does."""
    url = world.options.webhook_url
    if url is None:
        return
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        while True:
            for run in world.semarize.take_ended(world.faults):
                body = json.dumps({"type": "run.completed", "data": {"run_id": run.run_id}}).encode()
                stamp = str(int(time.time()))
                signature = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
                headers = {"Semarize-Signature": f"t={stamp},v1={signature}", "Semarize-Delivery-Id": run.run_id}
                try:
                    await client.post(url, content=body, headers={**headers, "Content-Type": "application/json"})
                except httpx.TransportError:
                    run.is_announced = False
            await asyncio.sleep(0.05)


async def _serve(world: World, listener: socket.socket) -> None:
    config = uvicorn.Config(
        Application(world), log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    webhooks = asyncio.create_task(_send_run_webhooks(world))
    asyncio.get_running_loop().run_in_executor(None, _exit_with_parent)
    try:
        await server.serve(sockets=[listener])
    finally:
        webhooks.cancel()


def _exit_with_parent() -> None:
    """Exit when standard input is closed, which happens however the parent ends."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main() -> None:
    """Serve until standard input is closed."""
    options = SandboxOptions.from_json(sys.argv[1])
    # With an explicit protocol, the event loop disables Nagle's algorithm, which would delay responses by 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(256)
    world = World(options)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    asyncio.run(_serve(world, listener))


if __name__ == "__main__":
    main()
