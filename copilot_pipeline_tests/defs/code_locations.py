"""Code locations: what a run keeps of them, and servers that answer as they do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dagster as dg
import grpc  # type: ignore[import-untyped]

# Private: what a run keeps of its code location is not exported (copilot_pipeline/defs/code_location.py).
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import serialize_value
from dagster_shared.error import SerializableErrorInfo

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
