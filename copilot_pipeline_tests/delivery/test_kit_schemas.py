"""Schemas of kits: parsed as far as possible, and read at most every five minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.delivery.kit_schemas import MAX_AGE_SECONDS, KitSchemas, parse_kit_schema
from copilot_pipeline.errors import PipelineError
from copilot_pipeline_tests.http_servers import Reply, RunningServer, reply, serving

KIT = Kit(name="deal", code="D1")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"bricks": [{"key": "a", "type": "boolean"}, {"name": "b", "type": "score"}]}',
            {"a": "yes/no", "b": "score"},
        ),
        (b'{"bricks": {"a": {"type": "string_list"}, "b": "category"}}', {"a": "list", "b": "text"}),
        (b'{"schema": {"bricks": [{"key": "a", "type": "novel"}]}}', {"a": None}),
        (b'["a", "b"]', {"a": None, "b": None}),
        (b"{}", None),
        (b"not json", None),
    ],
)
def test_parses_the_known_formats_of_a_schema(body: bytes, expected: dict[str, str | None] | None) -> None:
    """Its format is undocumented; what cannot be understood is left out."""
    assert parse_kit_schema(body) == expected


def schemas(server: RunningServer, clock: list[float]) -> KitSchemas:
    """The schemas of one kit, read from a server, with a clock that the test moves."""

    @contextmanager
    def open_semarize(policy: RetryPolicy | None = None) -> Iterator[SemarizeClient]:
        http = make_client(server.url, "key", policy=policy)
        with closing(http):
            yield SemarizeClient(http)

    return KitSchemas([KIT], open_semarize, clock=lambda: clock[0])


def test_reads_a_schema_at_most_every_five_minutes() -> None:
    """A request per kit and batch would delay the deliveries."""
    clock = [0.0]
    with serving(lambda _: reply(["a"])) as server:
        kit_schemas = schemas(server, clock)
        for clock[0] in (0.0, MAX_AGE_SECONDS - 1, MAX_AGE_SECONDS):
            assert kit_schemas.cached("deal") == {"a": None}
    assert len(server.requests) == 2


def test_a_failed_request_is_not_retried_before_five_minutes() -> None:
    """The schema is unknown until then. `read` raises the error instead."""
    clock = [0.0]
    with serving(lambda _: Reply(404)) as server:
        kit_schemas = schemas(server, clock)
        assert [kit_schemas.cached("deal") for _ in range(3)] == [None, None, None]
        assert len(server.requests) == 1
        with pytest.raises(PipelineError):
            kit_schemas.read("deal")


def test_an_unknown_kit_has_no_schema() -> None:
    """Scores of a kit that was removed from pipeline.yaml cause no request."""
    with serving(lambda _: reply(["a"])) as server:
        assert schemas(server, [0.0]).cached("removed") is None
    assert server.requests == []
