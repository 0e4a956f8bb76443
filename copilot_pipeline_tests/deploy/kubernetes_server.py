"""The part of the Kubernetes API that Dagster's launcher uses, on loopback. Each Job becomes a local process."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from copilot_pipeline_tests.deploy.pods import Pod

_JOB = re.compile(r"/apis/batch/v1/namespaces/([^/]+)/jobs(?:/([^/]+?))?(?:/status)?$")
StartPod = Callable[[str, Sequence[str], Mapping[str, str]], Pod]


class Cluster:
    """Jobs by name, and the processes that they became."""

    def __init__(self, start_pod: StartPod, sources: Mapping[str, Mapping[str, str]]) -> None:
        """`sources`: the variables of each ConfigMap and Secret."""
        self._start_pod = start_pod
        self._sources = sources
        self._lock = threading.Lock()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, Pod] = {}

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        """Start the process of a Job."""
        name = job["metadata"]["name"]
        container = job["spec"]["template"]["spec"]["containers"][0]
        variables: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            reference = source.get("configMapRef") or source["secretRef"]
            variables.update(self._sources[reference["name"]])
        variables.update({one["name"]: one["value"] for one in container.get("env", ()) if "value" in one})
        with self._lock:
            self.jobs[name] = job
            self.pods[name] = self._start_pod(
                name, [*container.get("command", ()), *container.get("args", ())], variables
            )
        return self.read(name)

    def read(self, name: str) -> dict[str, Any]:
        """Return a Job with its status. Raises `KeyError`."""
        code = self.pods[name].process.poll()
        status = {"active": 1} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        return {**self.jobs[name], "apiVersion": "batch/v1", "kind": "Job", "status": status}

    def delete(self, name: str) -> dict[str, Any]:
        """End the process of a Job."""
        job = self.read(name)
        self.pods[name].stop()
        return job

    def close(self) -> None:
        """Kill all processes."""
        for pod in self.pods.values():
            pod.kill()


@contextmanager
def running_cluster(cluster: Cluster, kubeconfig: Path) -> Iterator[Cluster]:
    """Serve the API until the block ends, and write the file that clients find it by."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if match := _JOB.match(urlsplit(self.path).path):
                if match[2]:
                    self._answer_with(cluster.read, match[2])
                else:
                    self._reply(200, {"kind": "JobList", "items": [cluster.read(name) for name in [*cluster.jobs]]})
            else:
                self._reply(200, {"kind": "List", "items": []})  # pods and events: only shown to people

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._reply(201, cluster.create(body))

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            match = _JOB.match(urlsplit(self.path).path)
            self._answer_with(cluster.delete, match[2] if match else "")

        def _answer_with(self, action: Callable[[str], dict[str, Any]], name: str) -> None:
            try:
                self._reply(200, action(name))
            except KeyError:
                self._reply(404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})

        def _reply(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Do not log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        cluster.close()


def _kubeconfig(address: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": address}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    }
