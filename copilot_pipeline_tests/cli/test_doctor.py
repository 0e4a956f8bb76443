"""`copilot-pipeline doctor` against services that are well, and services that are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline_tests.cli.conftest import Command, Ended
from copilot_pipeline_tests.http_servers import Asked, Reply, reply, serving

KITS = "kits:\n  deal: A1B2C3D4\n  coaching: C0AC4123\n"


def healthy(asked: Asked) -> Reply:
    """Both services, with the right keys; the kit C0AC4123 is not published."""
    if asked.path.startswith("/v1/"):
        if asked.headers.get("authorization") != "Bearer smz_test_key":
            return reply({"error": "invalid_api_key"}, 401)
        if asked.params.get("kit_code") == "C0AC4123":
            return reply({"error": "kit_not_found"}, 404)
        return reply({"data": []})
    if (asked.headers.get("x-api-key"), asked.headers.get("x-api-password")) != ("key", "password"):
        return reply({"errorMessage": "Forbidden"}, 403)
    return reply({"calls": [], "pagination": {"totalCalls": 0}, "users": [], "topics": []})


def findings(ended: Ended) -> dict[str, tuple[bool, str]]:
    """What was found, by name."""
    return {one["what"]: (one["is_well"], one["detail"]) for one in json.loads(ended.out)}


@pytest.fixture
def keys(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right keys, set after the command's environment was emptied."""
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "key")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "password")
    monkeypatch.setenv("SEMARIZE_API_KEY", "smz_test_key")


@pytest.mark.usefixtures("keys")
def test_everything_is_looked_at(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Database, lake, both keys, the budget and every kit: what is well is said, what is not names its code."""
    Path("pipeline.yaml").write_text(KITS)
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        ended = command("doctor", "--json")
        asked = list(service.asked)
    found = findings(ended)
    assert list(found) == ["database", "lake", "Clari Copilot", "weekly budget", "Semarize", "kit deal", "kit coaching"]
    assert [name for name, (is_well, _) in found.items() if not is_well] == ["kit coaching"]
    assert "404 kit_not_found" in found["kit coaching"][1]
    assert ended.code == 1
    clari = [one for one in asked if not one.path.startswith("/v1/")]
    assert 1 <= len(clari) <= 2, "doctor says that it costs two requests"
    assert not [one for one in asked if one.method != "GET"], "doctor changes nothing and costs no credit"
    assert f"{len(clari)} of 100,000 requests used" in found["weekly budget"][1]


@pytest.mark.usefixtures("keys")
def test_all_is_well_is_0(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is wrong it ends with 0; without kits Semarize is not asked."""
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        ended = command("doctor")
        assert not [one for one in service.asked if one.path.startswith("/v1/")]
    assert ended.code == 0
    assert "no kits in pipeline.yaml" in ended.out


@pytest.mark.usefixtures("keys")
def test_wrong_keys_are_told_apart(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused key is said of the service that refused it, the rest is still looked at, and no key is shown."""
    Path("pipeline.yaml").write_text(KITS)
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "wrong-password")
    monkeypatch.setenv("SEMARIZE_API_KEY", "wrong-key")
    with serving(healthy) as service:
        monkeypatch.setenv("CLARI_COPILOT_BASE_URL", service.url)
        monkeypatch.setenv("SEMARIZE_BASE_URL", service.url)
        ended = command("doctor", "--json")
    found = findings(ended)
    assert [name for name, (is_well, _) in found.items() if not is_well] == ["Clari Copilot", "Semarize"]
    assert "the key is missing, wrong, expired" in found["Clari Copilot"][1]
    assert "401 invalid_api_key" in found["Semarize"][1]
    assert "wrong-" not in ended.out + ended.err
    assert ended.code == 1


def test_missing_keys_are_named(command: Command) -> None:
    """Without keys nothing is asked, and each missing one is named."""
    Path("pipeline.yaml").write_text(KITS)
    ended = command("doctor", "--json")
    found = findings(ended)
    assert found["database"][0]
    assert found["lake"][0]
    assert "CLARI_COPILOT_API_KEY is not set" in found["Clari Copilot"][1]
    assert "SEMARIZE_API_KEY is not set" in found["Semarize"][1]
    assert ended.code == 1


def test_a_lake_that_cannot_be_written_is_found(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake is really written to, and left as it was."""
    Path("lake").write_text("a file")
    monkeypatch.setenv("COPILOT_PIPELINE_LAKE_URL", "lake")
    is_well, detail = findings(command("doctor", "--json"))["lake"]
    assert not is_well
    assert "COPILOT_PIPELINE_LAKE_URL" in detail


@pytest.mark.usefixtures("keys")
def test_a_database_that_is_down_is_a_finding(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is one finding among others: the rest is still looked at."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nowhere")
    ended = command("doctor", "--json")
    found = findings(ended)
    assert not found["database"][0]
    assert found["lake"][0]
    assert "s3cret" not in ended.out + ended.err
    assert ended.code == 1
