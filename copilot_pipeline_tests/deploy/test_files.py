"""The files of a deployment are valid for the programs that read them, and agree with one another."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from copilot_pipeline.postgres import Database

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
EXAMPLE = DEPLOY / "kubernetes" / "overlays" / "example"
KUBERNETES_VERSION = "1.31"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# What a deployment changes of dagster.yaml; everything else is that of the project.
CHANGED = {
    "image": {"local_artifact_storage", "compute_logs"},
    "kubernetes/base": {"local_artifact_storage", "compute_logs", "run_launcher", "run_monitoring"},
}


def _succeed(*command: str | Path) -> str:
    done = subprocess.run([str(one) for one in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _programs() -> set[str]:
    return {script.name for script in entry_points(group="console_scripts")}


def _compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """The objects of the example overlay."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl, which builds the manifests")
    return list(yaml.safe_load_all(_succeed("kubectl", "kustomize", EXAMPLE)))


@pytest.mark.e2e
def test_the_dockerfile_has_no_findings_of_hadolint() -> None:
    """The linter of Dockerfiles accepts it without an exception."""
    _succeed(Path(sys.executable).parent / "hadolint", "Dockerfile")


@pytest.mark.e2e
def test_compose_file_is_valid() -> None:
    """It satisfies the schema of the Compose specification."""
    _succeed(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_images_are_pinned_by_digest() -> None:
    """Every image that is not built here is named with its digest."""
    images = [line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM ")]
    images += [
        service["image"] for service in _compose()["services"].values() if "PIPELINE_IMAGE" not in service["image"]
    ]
    assert len(images) == 4
    assert all(re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image) for image in images), images


def test_services_of_compose_are_locked_down() -> None:
    """Ours have no capabilities, a read-only root file system, ports on loopback only, and health checks."""
    services = _compose()["services"]
    ours = {name: service for name, service in services.items() if "PIPELINE_IMAGE" in service["image"]}
    assert set(ours) == {"code", "ui", "daemon", "receiver"}
    for name, service in ours.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"]
        assert service["command"][0] in _programs()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert all("healthcheck" in service for service in services.values())


def test_variables_of_compose_are_documented() -> None:
    """The page names each variable that compose.yaml reads from .env."""
    page = (ROOT / "docs" / "deploy" / "containers.md").read_text()
    variables = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    assert [name for name in sorted(variables) if f"`{name}`" not in page and f"{name}=" not in page] == []


@pytest.mark.e2e
def test_manifests_are_valid(manifests: list[dict[str, Any]]) -> None:
    """Each object satisfies the schema of its kind, without unknown fields."""
    import kubernetes_validate  # here, because every process of a test run imports this file

    assert len(manifests) >= 20
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


@pytest.mark.e2e
def test_pods_are_locked_down(manifests: list[dict[str, Any]]) -> None:
    """Every pod has an unprivileged user, a read-only root file system, limits and probes; keys come by reference."""
    deployments = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    assert len(deployments) == 4
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["resources"]["limits"]["memory"]
        assert container["command"][0] in _programs()
        assert {"startupProbe", "livenessProbe"} <= set(container)
        assert {"secretRef": {"name": "copilot-pipeline-secrets"}} in container["envFrom"]


@pytest.mark.e2e
def test_runs_use_the_image_of_the_code_location(manifests: list[dict[str, Any]]) -> None:
    """The launcher starts a run from the image that the code location says it has."""
    (code,) = [one for one in manifests if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("-code")]
    (container,) = code["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["DAGSTER_CURRENT_IMAGE"] == container["image"]
    assert container["image"].startswith("registry.example.com/")


@pytest.mark.parametrize("folder", CHANGED)
def test_dagster_settings_are_those_of_the_project(folder: str) -> None:
    """A deployment changes only where a run executes and where its files are, so that it behaves as `dev` does."""
    project = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    deployed = yaml.safe_load((DEPLOY / folder / "dagster.yaml").read_text())
    assert {name for name in {*project, *deployed} if project.get(name) != deployed.get(name)} == CHANGED[folder]


@pytest.mark.parametrize("folder", CHANGED)
def test_dagster_opens_an_instance_with_them(
    folder: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster loads every class that the file names. The address of a cluster is in a file that this test writes."""
    text = (DEPLOY / folder / "dagster.yaml").read_text().replace("/var/lib/copilot-pipeline", str(tmp_path))
    config = yaml.safe_load(text)
    if folder == "kubernetes/base":
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "one",
                    "clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}],
                    "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
                    "users": [{"name": "one", "user": {}}],
                }
            )
        )
        config["run_launcher"]["config"].update(load_incluster_config=False, kubeconfig_file=str(kubeconfig))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("DAGSTER_K8S_NAMESPACE", "here")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_launcher).__name__ == config["run_launcher"]["class"]
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay >= 600  # of a code location
        assert instance.get_runs() == []


@pytest.mark.e2e
def test_units_are_valid(tmp_path: Path) -> None:
    """systemd accepts each unit without a warning, and each starts a program of the package."""
    assert len(UNITS) == 4
    units, programs = tmp_path / "etc/systemd/system", tmp_path / "opt/copilot-pipeline/bin"
    units.mkdir(parents=True)
    programs.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, units)
        program = re.search(r"^ExecStart=/opt/copilot-pipeline/bin/([\w-]+) ", unit.read_text(), re.MULTILINE)
        assert program is not None
        assert program[1] in _programs()
        (programs / program[1]).write_text("#!/bin/sh\n")
        (programs / program[1]).chmod(0o755)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    for unit in UNITS:
        _succeed(
            "systemd-analyze",
            "verify",
            f"--root={tmp_path}",
            "--recursive-errors=no",
            f"/etc/systemd/system/{unit.name}",
        )
