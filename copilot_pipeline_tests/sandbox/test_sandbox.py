"""Properties of the sandbox that other tests and the demo rely on."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline.sandbox.call import PENDING
from copilot_pipeline.sandbox.faults import GARBLED
from copilot_pipeline_tests.processes import running_process
from copilot_pipeline_tests.sandbox.conftest import CLARI, FIRST_DAY, SEMARIZE

pytestmark = pytest.mark.e2e


def _small(**options: Any) -> SandboxOptions:
    return SandboxOptions(**{"first_day": FIRST_DAY, "days": 1, "calls_per_day": 40, "segments": 10, **options})


def test_same_options_give_the_same_data() -> None:
    """Two sandboxes with one seed have equal data; another seed gives other calls."""
    with Sandbox(_small()) as one, Sandbox(_small()) as two, Sandbox(_small(seed=8)) as other:
        assert one.truth() == two.truth()
        assert one.reference() == two.reference()
        assert {call["call_id"] for call in one.truth()}.isdisjoint({call["call_id"] for call in other.truth()})


def test_has_every_status_and_trap(sandbox: Sandbox) -> None:
    """Three days of forty calls include pending, private and silent calls, NUL characters and very long turns."""
    truth = sandbox.truth()
    assert len({call["item"]["status"] for call in truth}) >= 12
    traps = {call["trap"] for call in truth}
    assert {"private", "silent", "odd_text", "unmatched_speaker", "out_of_order", "first_instant"} <= traps
    assert any("\0" in turn["text"] for call in truth for turn in call["details"]["transcript"])
    assert any(len(turn["text"]) > 190_000 for call in truth for turn in call["details"]["transcript"])


def test_enforces_the_rate_limit() -> None:
    """Of thirty concurrent requests, ten are served in each second that they take, and the others are 429."""
    with (
        Sandbox(_small(requests_per_second=10)) as sandbox,
        httpx.Client(base_url=sandbox.url, headers=CLARI) as client,
        ThreadPoolExecutor(30) as pool,
    ):
        start = time.monotonic()
        answers = list(pool.map(lambda _: client.get("/clari/users").status_code, range(30)))
        seconds = 1 + int(time.monotonic() - start)  # 1, unless the machine is very busy
        assert 10 <= answers.count(200) <= 10 * seconds
        assert answers.count(429) == 30 - answers.count(200)
        assert sandbox.stats()["answered_429"] == answers.count(429)


def test_enforces_the_weekly_quota() -> None:
    """When the quota is exhausted, every response is the gateway's 429."""
    with Sandbox(_small(requests_per_second=None, requests_per_week=3)) as sandbox:
        answers = [httpx.get(f"{sandbox.url}/clari/users", headers=CLARI) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].json() == {"message": "Limit Exceeded"}


def test_pages_have_every_call_once(sandbox: Sandbox, http: httpx.Client) -> None:
    """Paging through the list returns every call that is not private once."""
    seen: list[str] = []
    skip = 0
    while True:
        page = http.get("/clari/calls", params={"skip": str(skip), "limit": "7"}).json()
        seen += [call["id"] for call in page["calls"]]
        if not page["pagination"]["hasMore"]:
            assert "nextPageSkip" not in page["pagination"]
            break
        skip = page["pagination"]["nextPageSkip"]
    assert sorted(seen) == sorted(call["call_id"] for call in sandbox.truth() if not call["is_private"])


@pytest.mark.parametrize(
    "params", [{"skip": "10001"}, {"limit": "0"}, {"limit": "x"}, {"includePrivate": "yes"}, {"filterTimeGt": "soon"}]
)
def test_rejects_invalid_parameters(http: httpx.Client, params: dict[str, str]) -> None:
    """An invalid value is 400."""
    assert http.get("/clari/calls", params=params).status_code == 400


def test_requires_credentials(sandbox: Sandbox) -> None:
    """401 without credentials and 403 with wrong ones; the other services respond with their own errors."""
    assert httpx.get(f"{sandbox.url}/clari/users").status_code == 401
    assert httpx.get(f"{sandbox.url}/clari/users", headers={**CLARI, "X-Api-Key": "x"}).status_code == 403
    assert httpx.get(f"{sandbox.url}/guide/call-details").status_code == 401
    assert httpx.get(f"{sandbox.url}/semarize/v1/runs").json() == {"error": "missing_bearer_token"}


def test_finishes_processing_of_pending_calls() -> None:
    """A pending call becomes ready in time; that changes its modification time and adds its transcript."""
    with Sandbox(_small(processing_seconds=0.5, requests_per_second=None)) as sandbox:
        pending = [call for call in sandbox.truth() if call["item"]["status"] in PENDING]
        assert pending
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            httpx.get(f"{sandbox.url}/clari/calls", headers=CLARI)
            now = {call["call_id"]: call for call in sandbox.truth()}
            ready = [now[call["call_id"]] for call in pending]
            if all(call["item"]["status"] == "POST_PROCESSING_DONE" for call in ready):
                break
        else:
            pytest.fail("some calls never became ready")
        assert all(call["details"]["transcript"] for call in ready)
        before = {call["call_id"]: call["item"]["last_modified_time"] for call in pending}
        assert all(call["item"]["last_modified_time"] > before[call["call_id"]] for call in ready)


def test_idempotency_key_creates_one_run(sandbox: Sandbox, http: httpx.Client) -> None:
    """The same key and body return the existing run, another body is a conflict; values depend on the text."""
    sentence = "I would have to ask finance first, and honestly the timing is difficult."
    body = {"kit_code": "DEA15164", "input": {"transcript": f"Lee: {sentence}"}}
    before = sandbox.stats()["runs_created"]
    first = http.post("/semarize/v1/runs", json=body, headers={"Idempotency-Key": "k"}).json()
    again = http.post("/semarize/v1/runs", json=body, headers={"Idempotency-Key": "k"}).json()
    assert again["run_id"] == first["run_id"]
    conflict = http.post("/semarize/v1/runs", json={**body, "mode": "sync"}, headers={"Idempotency-Key": "k"})
    assert (conflict.status_code, conflict.json()) == (409, {"error": "idempotency_key_conflict"})
    assert sandbox.stats()["runs_created"] == before + 1
    done = http.post("/semarize/v1/runs", json={**body, "mode": "sync"}).json()
    flag = done["output"]["bricks"]["risk_flag"]
    assert flag["value"] is True
    assert flag["evidence"] == [sentence]


def test_rejects_unknown_faults(sandbox: Sandbox) -> None:
    """The error names the fault."""
    with pytest.raises(ValueError, match="slow_mss"):
        sandbox.set_faults(slow_mss=3)


def test_injects_faults(sandbox: Sandbox, http: httpx.Client) -> None:
    """Large pages fail, details are truncated, sinks are unavailable, connections are closed."""
    victim = next(call["call_id"] for call in sandbox.truth() if not call["is_private"])
    sandbox.set_faults(page_502_over=5, malformed=[victim], sink_down=["slack"])
    assert http.get("/clari/calls", params={"limit": "6"}).status_code == 502
    assert http.get("/clari/calls", params={"limit": "5"}).status_code == 200
    cut = http.get("/clari/call-details", params={"id": victim}).text
    assert cut.startswith('{"call":')
    assert not cut.endswith("}}")
    assert http.post("/slack/services/x", json={"text": "hi"}).status_code == 503
    sandbox.set_faults(hang_up_share=1.0)
    with pytest.raises(httpx.TransportError):
        http.get("/clari/users")


def test_garbles_bodies(sandbox: Sandbox, http: httpx.Client) -> None:
    """HTML, half of the JSON and an empty body have status 200 and are complete for HTTP."""
    ids = [call["call_id"] for call in sandbox.truth() if not call["is_private"]][:3]
    sandbox.set_faults(detail_bodies=dict(zip(ids, GARBLED, strict=True)), semarize_garbled_share=1.0)
    html, cut, empty = (http.get("/clari/call-details", params={"id": call_id}) for call_id in ids)
    assert [response.status_code for response in (html, cut, empty)] == [200] * 3
    assert (html.headers["content-type"], html.text[:15]) == ("text/html", "<!DOCTYPE html>")
    assert cut.text.startswith('{"call":')
    assert empty.content == b""
    assert http.get("/semarize/v1/runs").text != http.get("/semarize/v1/runs").text
    for fault, start in (("html_share", "<"), ("cut_share", '{"users"'), ("empty_share", "")):
        sandbox.set_faults(**{fault: 1.0})
        body = http.get("/clari/users").text
        assert body.startswith(start)
        assert not body.endswith("}")


def test_exits_with_its_parent() -> None:
    """After SIGKILL of the parent, the sandbox stops serving."""
    code = (
        "from copilot_pipeline.sandbox import Sandbox\n"
        "with Sandbox() as sandbox:\n"
        "    print(sandbox.url, flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", code]
    with running_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert httpx.get(f"{url}/semarize/v1/runs", headers=SEMARIZE).status_code == 200
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/semarize/v1/runs", headers=SEMARIZE)
        except httpx.TransportError:
            return
    pytest.fail("the sandbox did not exit with its parent")
