"""`copilot-pipeline doctor` against services that work and services that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline_tests.cli.conftest import Command, Result
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

KITS = "kits:\n  deal: A1B2C3D4\n  coaching: C0AC4123\n"


def healthy(received: ReceivedRequest) -> Reply:
    """Answer as both services; only the right keys are accepted, and the kit C0AC4123 is unknown."""
    if received.path.startswith("/v1/"):
        if received.headers.get("authorization") != "Bearer smz_test_key":
            return reply({"error": "invalid_api_key"}, 401)
        if received.params.get("kit_code") == "C0AC4123":
            return reply({"error": "kit_not_found"}, 404)
        return reply({"data": []})
    if (received.headers.get("x-api-key"), received.headers.get("x-api-password")) != ("key", "password"):
        return reply({"errorMessage": "Forbidden"}, 403)
    return reply({"calls": [], "pagination": {"totalCalls": 0}, "users": [], "topics": []})


def results_by_name(result: Result) -> dict[str, tuple[bool, str]]:
    """Return whether each check passed and its detail, by name."""
    return {one["name"]: (one["passed"], one["detail"]) for one in json.loads(result.out)}


@pytest.fixture
def keys(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the right keys, after `command` emptied the environment."""
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "key")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "password")
    monkeypatch.setenv("SEMARIZE_API_KEY", "smz_test_key")


@pytest.mark.usefixtures("keys")
def test_checks_database_lake_keys_quota_and_kits(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check has a result; a failed one contains the error code of the service."""
    Path("pipeline.yaml").write_text(KITS)
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        result = command("doctor", "--json")
        received = list(service.requests)
    results = results_by_name(result)
    assert list(results) == [
        "database",
        "files",
        "lake",
        "retention",
        "erasure",
        "Clari Copilot",
        "weekly quota",
        "Semarize",
        "kit deal",
        "kit coaching",
    ]
    assert [name for name, (passed, _) in results.items() if not passed] == ["kit coaching"]
    assert "404 kit_not_found" in results["kit coaching"][1]
    assert results["kit coaching"][1].startswith("pipeline.yaml, line 3: `kits.coaching.code` is C0AC4123")
    assert result.code == 1
    clari = [one for one in received if not one.path.startswith("/v1/")]
    assert 1 <= len(clari) <= 2, "the help promises at most two requests"
    assert not [one for one in received if one.method != "GET"], "doctor must not change anything or cost credits"
    assert f"{len(clari)} of 100,000 requests used" in results["weekly quota"][1]


@pytest.mark.usefixtures("keys")
def test_exits_with_0_if_every_check_passes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kits no request goes to Semarize."""
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        result = command("doctor")
        assert not [one for one in service.requests if one.path.startswith("/v1/")]
    assert result.code == 0
    assert "no kits in pipeline.yaml" in result.out


@pytest.mark.usefixtures("keys")
def test_names_the_service_that_refuses_its_key(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks still run, and no key is printed."""
    Path("pipeline.yaml").write_text(KITS)
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "wrong-password")
    monkeypatch.setenv("SEMARIZE_API_KEY", "wrong-key")
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        result = command("doctor", "--json")
    results = results_by_name(result)
    assert [name for name, (passed, _) in results.items() if not passed] == ["Clari Copilot", "Semarize"]
    assert "the key is missing, wrong or expired" in results["Clari Copilot"][1]
    assert "401 invalid_api_key" in results["Semarize"][1]
    assert "wrong-" not in result.out + result.err
    assert result.code == 1


def test_names_missing_keys(command: Command) -> None:
    """Without keys no request is sent, and each missing variable is named."""
    Path("pipeline.yaml").write_text(KITS)
    result = command("doctor", "--json")
    results = results_by_name(result)
    assert results["database"][0]
    assert results["lake"][0]
    assert "CLARI_COPILOT_API_KEY is not set" in results["Clari Copilot"][1]
    assert "SEMARIZE_API_KEY is not set" in results["Semarize"][1]
    assert result.code == 1


def test_reports_a_lake_that_is_not_writable(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check writes to the lake and removes what it wrote."""
    Path("lake").write_text("a file")
    monkeypatch.setenv("COPILOT_PIPELINE_LAKE_URL", "lake")
    passed, detail = results_by_name(command("doctor", "--json"))["lake"]
    assert not passed
    assert "COPILOT_PIPELINE_LAKE_URL" in detail


@pytest.mark.usefixtures("keys")
def test_reports_an_unreachable_database_and_continues(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other checks still run, and the password is not printed."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nowhere")
    result = command("doctor", "--json")
    results = results_by_name(result)
    assert not results["database"][0]
    assert results["lake"][0]
    assert "s3cret" not in result.out + result.err
    assert result.code == 1


def test_names_what_other_users_can_open(command: Command) -> None:
    """A `.env` that others can read fails the check, with the command that fixes it."""
    Path(".env").touch()
    Path(".env").chmod(0o644)
    passed, detail = results_by_name(command("doctor", "--json"))["files"]
    assert not passed
    assert detail.endswith(f"chmod -R go-rwx {Path('.env').absolute()}")
