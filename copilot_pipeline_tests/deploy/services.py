"""Code location, UI and daemon as processes of their own, each with a file system that the others do not see."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from copilot_pipeline_tests.deploy.pods import Pod
from copilot_pipeline_tests.end_to_end.interface import UserInterface
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
HOME = "/var/lib/copilot-pipeline"  # in the files of deploy/
_KEPT = ("PATH", "PYTHONPATH", "TMPDIR")


def kept() -> dict[str, str]:
    """Return the variables of this process that its children need to start."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


class Services:
    """The services of a deployment below a folder: their settings, home and logs."""

    def __init__(self, folder: Path, pipeline: Pipeline, store: Mapping[str, str]) -> None:
        self.home, self._logs = folder / "pod", folder / "logs"
        self.dagster = folder / "dagster"
        self._ports = {"code": free_port(), "ui": free_port()}
        self.interface = UserInterface(self._ports["ui"], 0)
        self.pods: dict[str, Pod] = {}
        self.environment = {
            **pipeline.environment(**store),
            "COPILOT_PIPELINE_HOME": str(self.home),
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_HOME": str(self.dagster),
        }
        self._logs.mkdir()

    def start(self, name: str, command: Sequence[str], variables: Mapping[str, str]) -> Pod:
        """Start a process, of which the first word is a program of this environment."""
        module = {"dagster": "dagster", "dagster-daemon": "dagster._daemon", "copilot-pipeline": "copilot_pipeline"}
        program = [sys.executable, "-m", module[command[0]], *command[1:]]
        self.pods[name] = Pod(
            program, home=self.home, environment={**kept(), **variables}, log=self._logs / f"{name}.log"
        )
        return self.pods[name]

    def configure(self, settings: dict[str, Any]) -> None:
        """Write dagster.yaml and the workspace, as a read-only volume would hold them."""
        self.dagster.mkdir()
        (self.dagster / "dagster.yaml").write_text(yaml.safe_dump(settings))
        workspace = (DEPLOY / "image" / "workspace.yaml").read_text().replace("4000", str(self._ports["code"]))
        (self.dagster / "workspace.yaml").write_text(workspace)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run them until the block ends."""
        workspace = str(self.dagster / "workspace.yaml")
        ports = {name: str(port) for name, port in self._ports.items()}
        commands = {
            "code": f"dagster api grpc -h 127.0.0.1 -p {ports['code']} -m copilot_pipeline.definitions".split(),
            "ui": ["copilot-pipeline", "ui", "--port", ports["ui"], "--workspace", workspace],
            "daemon": ["dagster-daemon", "run", "-w", workspace],
        }
        try:
            for name, command in commands.items():
                self.start(name, command, self.environment)
            self.interface.wait_until_loaded(self.pods["ui"].process)
            yield
        finally:
            for pod in self.pods.values():
                pod.kill()


def read_settings(folder: str, home: Path) -> dict[str, Any]:
    """Return dagster.yaml of a folder of deploy/, with another home."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / folder / "dagster.yaml").read_text().replace(HOME, str(home)))
    return loaded
