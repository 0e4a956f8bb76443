"""A crashed run is reported when its code location can create its retry."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dagster as dg
import grpc
import pytest

# Private: what a run keeps of its code location is not exported (copilot_pipeline/defs/code_location.py).
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import serialize_value
from dagster._utils.error import SerializableErrorInfo

from copilot_pipeline.defs.code_location import CODE_SOCKET, SECONDS_TO_RELOAD, CodeLocations
from copilot_pipeline_tests.end_to_end.interface import free_port

LOADED = ListRepositoriesResponse([])
BROKEN = SerializableErrorInfo("the code does not load", [], "ImportError")


@contextmanager
def answering(port: int, answer: ListRepositoriesResponse | SerializableErrorInfo) -> Iterator[None]:
    """Serve a code location that lists its repositories with an answer."""
    reply = dagster_api_pb2.ListRepositoriesReply(
        serialized_list_repositories_response_or_error=serialize_value(answer)
    ).SerializeToString()
    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(lambda _request, _context: reply)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("api.DagsterApi", {"ListRepositories": method})]
    )
    assert server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


def run_of(**address: object) -> dg.DagsterRun:
    """A run that the code location at an address was asked for."""
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", location_name="copilot_pipeline", **address)  # type: ignore[arg-type]
    repository = RemoteRepositoryOrigin(location, "__repository__")
    return dg.DagsterRun("call_partitions", remote_job_origin=RemoteJobOrigin(repository, "call_partitions"))


def test_a_retry_waits_until_the_code_location_has_been_back_for_a_while() -> None:
    """It is away, then loads with an error, then answers; the daemon needs a while to load it again."""
    port, now = free_port(), [1000.0]
    run, locations = run_of(port=port), CodeLocations(lambda: now[0])
    assert not locations.can_create_retry(run)
    now[0] += 2 * SECONDS_TO_RELOAD
    with answering(port, BROKEN):
        assert not locations.can_create_retry(run)
    with answering(port, LOADED):
        now[0] += SECONDS_TO_RELOAD / 2
        assert not locations.can_create_retry(run)
        now[0] += SECONDS_TO_RELOAD
        assert locations.can_create_retry(run)


def test_a_run_of_an_earlier_dev_does_not_wait_for_its_code_location(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket has another name than that of the present one, and never answers again."""
    monkeypatch.setenv(CODE_SOCKET, "/nowhere/present")
    assert CodeLocations().can_create_retry(run_of(socket="/nowhere/earlier"))
    assert not CodeLocations().can_create_retry(run_of(socket="/nowhere/present"))


def test_a_run_of_a_command_does_not_wait() -> None:
    """It has no code location."""
    assert CodeLocations().can_create_retry(dg.DagsterRun("call_partitions"))
