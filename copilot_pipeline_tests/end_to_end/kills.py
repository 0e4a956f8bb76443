"""Commands that are killed between two changes that they commit, wherever the machine lets them run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

import psycopg

from copilot_pipeline_tests.processes import Command

_TIMEOUT_SECONDS = 120
_LOCK = 5_201_314
# A statement on a table waits for the lock, which the test holds, once enough is committed.
_PAUSE = """CREATE OR REPLACE FUNCTION public.pause_for_kill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ({progress}) > {seen} THEN PERFORM pg_advisory_xact_lock({lock}); END IF;
  RETURN NULL;
END $$"""
_TRIGGER = """CREATE TRIGGER pause_for_kill BEFORE INSERT OR UPDATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION public.pause_for_kill()"""
_WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"


def kill_repeatedly(
    address: str,
    start: Callable[[], Command],
    *,
    tables: Sequence[str],
    progress: str,
    times: int,
    step: int = 0,
) -> Command:
    """Start a command and kill it, each time when it has committed more; return the last one, which is not killed.

    `progress` is a query of how much is committed; `tables` are those that the command changes in between. It is
    killed when it begins a statement on one of them while the progress exceeds that at the last kill by `step`.
    """
    seen = 0
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        for number in range(times):
            connection.execute(_PAUSE.format(progress=progress, seen=seen, lock=_LOCK).encode())
            if number == 0:
                for table in tables:
                    connection.execute(_TRIGGER.format(table=table).encode())
            _kill_while_it_waits(connection, start())
            seen = connection.execute(progress.encode()).fetchall()[0][0] + step
        connection.execute("DROP FUNCTION public.pause_for_kill CASCADE")
    return start()


def _kill_while_it_waits(connection: psycopg.Connection, command: Command) -> None:
    """Kill the command, and end its sessions that wait: the server does not notice that their client is gone."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not connection.execute(_WAITING, [_LOCK]).fetchall():
        assert command.poll() is None, f"it ended before it was killed: {command.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    command.send_signal(signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL
    while waiting := connection.execute(_WAITING, [_LOCK]).fetchall():
        for (process_id,) in waiting:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [process_id])
