"""Many failures of servers and proxies at a high rate: afterwards one command completes the tables."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.test_whole_path import _check_calls, _check_scores, _check_utterances
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

pytestmark = pytest.mark.faults

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@contextmanager
def resetting(address: str, share: float) -> Iterator[str]:
    """A relay to a server that resets the connection instead of passing a share of the requests on."""
    parts = urlsplit(address)
    listener = socket.create_server(("127.0.0.1", 0))
    dice = random.Random(7)

    def relay(source: socket.socket, target: socket.socket, *, is_request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if is_request and dice.random() < share:
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    break
                target.sendall(data)
        source.close()
        target.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection((parts.hostname, parts.port))
                for pair, is_request in (((client, server), True), ((server, client), False)):
                    threading.Thread(target=relay, args=pair, kwargs={"is_request": is_request}, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{parts.path}"
    finally:
        listener.close()


def victims_of(pipeline: Pipeline) -> list[str]:
    """Three calls on which something was said."""
    calls = [call for call in pipeline.sandbox.truth() if is_transcribed(call) and call["details"]["transcript"]]
    return [call["call_id"] for call in calls[:3]]


def test_one_command_after_a_storm_makes_the_tables_right(make_pipeline: MakePipeline) -> None:
    """While both services respond to a tenth of all requests with 5xx, resets, truncated, cut, HTML and empty bodies,
    and three calls are garbled at every attempt, the run reports what is missing. Afterwards one command completes it;
    no transcript was scored twice by a kit."""
    share = 0.1
    pipeline = make_pipeline(days=1, calls_per_day=24)
    truth = pipeline.sandbox.truth()
    victims = victims_of(pipeline)
    each = share / 6
    pipeline.sandbox.set_faults(
        error_status=503,
        error_share=each,
        hang_up_share=each,
        html_share=each,
        cut_share=each,
        empty_share=each,
        detail_bodies=dict(zip(victims, ("html", "cut", "empty"), strict=True)),
        semarize_garbled_share=share,
        semarize_500_share=each,
    )
    address = pipeline.environment()["CLARI_COPILOT_BASE_URL"]
    with resetting(address, each) as relay:
        outcome = pipeline.run(expect=(1, 4), changes={"CLARI_COPILOT_BASE_URL": relay})
    assert outcome["complete"] is False
    assert outcome["quarantined"] >= len(victims)
    kept = pipeline.query("SELECT call_id, body FROM copilot_ops.quarantine WHERE origin = 'call-details'")
    assert set(victims) <= {row["call_id"] for row in kept}
    pipeline.sandbox.set_faults()
    outcome = pipeline.run()
    assert (outcome["complete"], outcome["quarantined"]) == (True, 0)
    _check_calls(pipeline, truth)
    _check_utterances(pipeline, truth)
    _check_scores(pipeline)
    assert pipeline.sandbox.stats()["runs_most_for_one_input"] == 1


def test_a_garbled_new_version_keeps_what_is_stored(make_pipeline: MakePipeline) -> None:
    """If the details of a changed call are garbled, its rows of the previous version stay, and the run reports that it
    is in quarantine."""
    pipeline = make_pipeline(days=1, calls_per_day=8)
    victim = victims_of(pipeline)[0]
    pipeline.run()
    query = "SELECT * FROM copilot.utterances WHERE call_id = %s ORDER BY seq"
    before = pipeline.query(query, victim)
    assert before
    pipeline.sandbox.edit(victim, status="PROCESSED")
    pipeline.sandbox.set_faults(detail_bodies={victim: "html"})
    assert pipeline.run(expect=4)["quarantined"] == 1
    assert pipeline.query(query, victim) == before
    pipeline.sandbox.set_faults()
    assert pipeline.run()["quarantined"] == 0
    assert pipeline.query(query, victim) == before
