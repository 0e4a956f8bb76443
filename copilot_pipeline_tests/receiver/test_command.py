"""`copilot-pipeline receive`: required settings, output, and serving."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from copilot_pipeline.cli.exit_codes import INVALID_SETTING
from copilot_pipeline.cli.receive import endpoints_of
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE
from copilot_pipeline_tests.processes import running_process
from copilot_pipeline_tests.receiver.process import inbox
from copilot_pipeline_tests.receiver.signing import SECRET, SEMARIZE_SECRET

pytestmark = pytest.mark.e2e

_COMMAND = [sys.executable, "-c", "from copilot_pipeline.cli import main; main()", "receive"]
StartCommand = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartCommand]:
    """Starts the command in a folder with these variables; it is killed if the test does not end it."""
    inherited = {name: value for name, value in os.environ.items() if "WEBHOOK" not in name}
    root = Path(__file__).parents[2]
    with ExitStack() as stack:

        def start_command(*options: str, **variables: str) -> subprocess.Popen[str]:
            process = running_process(
                [*_COMMAND, *options],
                cwd=tmp_path,
                env={**inherited, "PYTHONPATH": str(root), **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            return stack.enter_context(process)

        yield start_command


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, "COPILOT_PIPELINE_WEBHOOK_SECRET is not set"), ({"COPILOT_PIPELINE_WEBHOOK_SECRET": "short"}, "shorter")],
)
def test_does_not_start_without_a_strong_secret(start: StartCommand, variables: dict[str, str], expected: str) -> None:
    """Exit code 3 and the fix; the secret is not shown."""
    process = start(**variables)
    _, output = process.communicate(timeout=60)
    assert process.returncode == INVALID_SETTING
    assert expected in output
    assert "openssl rand -hex 32" in " ".join(output.split())
    assert "'short'" not in output


def test_serves_both_endpoints_and_warns_without_tls(start: StartCommand, database: Database) -> None:
    """It prints the addresses, accepts webhooks, logs nothing of them, and exits with 0 on Ctrl-C."""
    process = start(
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        COPILOT_PIPELINE_WEBHOOK_SECRET=SECRET,
        COPILOT_PIPELINE_DATABASE_URL=database.url,
    )
    assert process.stdout is not None
    addresses = [process.stdout.readline().split()[-1] for _ in range(2)]
    assert [address.rsplit("/", 1)[1] for address in addresses] == ["clari-copilot", "semarize"]
    with httpx.Client() as client:
        for address, body in zip(addresses, ['{"call_id": "call-77"}', '{"run_id": "run-77"}'], strict=True):
            local = address.replace("0.0.0.0", "127.0.0.1")
            assert client.post(local, content=body, headers={"x-webhook-secret": SECRET}).status_code == 202
    process.send_signal(2)
    _, output = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "without TLS" in output
    assert SECRET not in output
    assert "-77" not in output
    assert [row[:2] for row in inbox(database)] == [("call", "call-77"), ("run", "run-77")]


def test_accepts_two_secrets_during_a_rotation(start: StartCommand, database: Database) -> None:
    """Both variables may hold two secrets separated by a blank; each secret is accepted at its endpoint only."""
    process = start(
        "--port",
        "0",
        COPILOT_PIPELINE_WEBHOOK_SECRET=f"{SECRET} old-{SECRET}",
        SEMARIZE_WEBHOOK_SECRET=f"{SEMARIZE_SECRET}  old-{SEMARIZE_SECRET}",
        COPILOT_PIPELINE_DATABASE_URL=database.url,
    )
    assert process.stdout is not None
    addresses = [process.stdout.readline().split()[-1] for _ in range(2)]
    statuses: dict[tuple[str, str], set[int]] = {}
    with httpx.Client() as client:
        for name, secret in (("ours", SECRET), ("theirs", SEMARIZE_SECRET)):
            for address in addresses:
                for version in (secret, f"old-{secret}"):
                    answer = client.post(address, content='{"id": "x"}', headers={"x-webhook-secret": version})
                    statuses.setdefault((name, address.rsplit("/", 1)[1]), set()).add(answer.status_code)
    process.terminate()
    process.communicate(timeout=30)
    assert statuses == {
        ("ours", "clari-copilot"): {202},
        ("ours", "semarize"): {401},
        ("theirs", "clari-copilot"): {401},
        ("theirs", "semarize"): {202},
    }


def test_reports_a_port_in_use(start: StartCommand, database: Database) -> None:
    """Exit code 3 and the option to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(
            "--port",
            str(taken.getsockname()[1]),
            COPILOT_PIPELINE_WEBHOOK_SECRET=SECRET,
            COPILOT_PIPELINE_DATABASE_URL=database.url,
        )
        _, output = process.communicate(timeout=60)
    assert process.returncode == INVALID_SETTING
    assert "--port" in output


def environment(**variables: str) -> Environment:
    """Settings."""
    return Environment(_env_file=None, **variables)  # type: ignore[call-arg, arg-type]


def test_semarize_endpoint_uses_its_own_secret_or_the_common_one() -> None:
    """Without SEMARIZE_WEBHOOK_SECRET, both endpoints use the same secret; no repr shows a secret."""
    shared = endpoints_of(environment(copilot_pipeline_webhook_secret=SECRET))
    apart = endpoints_of(environment(copilot_pipeline_webhook_secret=SECRET, semarize_webhook_secret=SEMARIZE_SECRET))
    assert shared[SEMARIZE] == shared[CLARI_COPILOT]
    assert apart[SEMARIZE] != apart[CLARI_COPILOT]
    assert SECRET not in repr(shared)
    assert SEMARIZE_SECRET not in repr(apart)


@pytest.mark.parametrize("name", ["copilot_pipeline_webhook_secret", "semarize_webhook_secret"])
@pytest.mark.parametrize("short", ["short", f"{SECRET} short", f"short {SECRET}", "whsec_0123456789"])
def test_refuses_a_short_secret_of_either_sender(name: str, short: str) -> None:
    """Also as one of two, and without counting the prefix; the error names the variable and not the secret."""
    variables = {"copilot_pipeline_webhook_secret": SECRET, name: short}
    with pytest.raises(ConfigurationError, match=name.upper()) as caught:
        endpoints_of(environment(**variables))
    assert not any(secret in str(caught.value) for secret in ("short ", "0123456789", SECRET))


def test_requires_the_common_secret() -> None:
    """SEMARIZE_WEBHOOK_SECRET alone is not enough; the error names the missing variable."""
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_WEBHOOK_SECRET"):
        endpoints_of(environment(semarize_webhook_secret=SEMARIZE_SECRET))
