"""A step is repeated after a lost connection, and after nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest

from copilot_pipeline.definitions import defs
from copilot_pipeline.defs import retries
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.postgres import Database


def _cut(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("yields", [False, True])
def test_a_step_is_repeated_after_a_lost_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch, yields: bool
) -> None:
    """Its connection is cut twice; the third attempt succeeds with new connections."""
    monkeypatch.setattr(retries, "RETRY_AFTER_SECONDS", 0.01)
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            _cut(database)
        with database.connection() as connection:
            connection.execute("SELECT 1")

    @dg.asset
    @retried_when_disconnected
    def returned() -> None:
        """An asset that returns."""
        attempt()

    @dg.multi_asset(specs=[dg.AssetSpec("yielded")])
    @retried_when_disconnected
    def yielded() -> Iterator[dg.MaterializeResult[None]]:
        """An asset that yields."""
        attempt()
        yield dg.MaterializeResult(asset_key="yielded")

    result = dg.materialize([yielded if yields else returned], raise_on_error=False)
    assert result.success
    assert len(attempts) == 3


@pytest.mark.parametrize("error", [ValueError("a bug"), psycopg.errors.UndefinedColumn("a bug")])
def test_a_step_is_not_repeated_after_another_error(error: Exception) -> None:
    """A bug is reported at the first attempt."""
    attempts = []

    @dg.asset
    @retried_when_disconnected
    def broken() -> None:
        """An asset with a bug."""
        attempts.append(1)
        raise error

    assert not dg.materialize([broken], raise_on_error=False).success
    assert len(attempts) == 1


def test_every_step_is_repeated_after_a_lost_connection() -> None:
    """The compute function of every asset, check and op is wrapped."""
    repository = defs.get_repository_def()
    ops = [op for job in repository.get_all_jobs() for op in job.all_node_defs]
    plain = {op.name for op in ops if isinstance(op, dg.OpDefinition) and not _is_wrapped(op)}
    assert plain == set()


def _is_wrapped(op: dg.OpDefinition) -> bool:
    function = getattr(op.compute_fn, "decorated_fn", None)
    return hasattr(function, "__wrapped__")
