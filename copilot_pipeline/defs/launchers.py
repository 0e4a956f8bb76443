"""Run launchers for containers and Kubernetes, for the `run_launcher` section of a deployment's dagster.yaml.

    run_launcher:
      module: copilot_pipeline.defs.launchers
      class: PipelineK8sRunLauncher
      config: …

They take the configuration of Dagster's own launchers. A launcher whose package is not installed is not defined here.
"""

from __future__ import annotations

from importlib.util import find_spec

from copilot_pipeline.defs.run_health import RunLockHealth

if find_spec("dagster_docker"):
    from dagster_docker import DockerRunLauncher

    class PipelineDockerRunLauncher(RunLockHealth, DockerRunLauncher):
        """One run, one container."""


if find_spec("dagster_k8s"):
    from dagster_k8s import K8sRunLauncher

    class PipelineK8sRunLauncher(RunLockHealth, K8sRunLauncher):
        """One run, one Kubernetes Job."""
