"""The sandbox as a child process, with methods for its control endpoints."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

import httpx

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.sandbox.options import (
    API_KEY,
    API_PASSWORD,
    HUBSPOT_TOKEN,
    SALESFORCE_CLIENT_ID,
    SALESFORCE_CLIENT_SECRET,
    SEMARIZE_KEY,
    WEBHOOK_SECRET,
    SandboxOptions,
)

_SHUTDOWN_TIMEOUT_SECONDS = 5


class Sandbox:
    """A context manager that runs a sandbox.

    It ends with the block, and if this process is killed.
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._client: httpx.Client | None = None

    def __enter__(self) -> Sandbox:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "copilot_pipeline.sandbox.server", self.options.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is handled by this process; the child ends with it
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.strip():
            raise ConfigurationError(
                f"the sandbox did not start: is port {self.options.port} in use? Omit --port to use a free one"
            )
        self._port = int(line)
        self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)  # no proxy
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            try:
                self._process.wait(_SHUTDOWN_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """The environment variables with which the pipeline uses this sandbox."""
        dialect = self.options.dialect
        return {
            "CLARI_COPILOT_API_KEY": API_KEY,
            "CLARI_COPILOT_API_PASSWORD": API_PASSWORD,
            "CLARI_COPILOT_BASE_URL": f"{self.url}/{'clari' if dialect == 'rest' else 'guide'}",
            "CLARI_COPILOT_DIALECT": dialect,
            "SEMARIZE_API_KEY": SEMARIZE_KEY,
            "SEMARIZE_BASE_URL": f"{self.url}/semarize",
            "COPILOT_PIPELINE_FIRST_DAY": self.options.first_day.isoformat(),
            "SLACK_WEBHOOK_URL": f"{self.url}/slack/services/T000/B000/sandbox",
            "SLACK_MESSAGES_PER_SECOND": "0",
            "SALESFORCE_BASE_URL": f"{self.url}/salesforce",
            "SALESFORCE_CLIENT_ID": SALESFORCE_CLIENT_ID,
            "SALESFORCE_CLIENT_SECRET": SALESFORCE_CLIENT_SECRET,
            "HUBSPOT_BASE_URL": f"{self.url}/hubspot",
            "HUBSPOT_ACCESS_TOKEN": HUBSPOT_TOKEN,
            "WEBHOOK_URL": f"{self.url}/hooks/in",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def stats(self) -> dict[str, Any]:
        """Counts of requests."""
        return self._get("stats")

    def reset_stats(self) -> None:
        """Reset the counts of requests."""
        self._post("reset_stats", {})

    def truth(self) -> list[dict[str, Any]]:
        """The current state of every call: `call_id`, `day`, `item`, `details` and more."""
        return [json.loads(line) for line in self._request("truth").text.splitlines()]

    def reference(self) -> dict[str, Any]:
        """Users and deals."""
        return self._get("reference")

    def outputs(self) -> Any:
        """The transcripts that Semarize received, and the outputs of all runs."""
        return self._request("outputs").json()

    def deliveries(self) -> dict[str, Any]:
        """Everything that the sinks received."""
        return self._get("deliveries")

    def set_faults(self, **faults: Any) -> None:
        """Switch these faults on and all others off (see `Faults`)."""
        self._post("faults", faults)

    def edit(self, call_id: str, **changes: Any) -> None:
        """Edit a call: `status`, `time`, `removed`, `private`, or any field of its body."""
        self._post("edit", {"call_id": call_id, "changes": changes})

    def set_users(self, users: list[dict[str, Any]]) -> None:
        """Replace the users that `/users` returns; `reference()` has the present ones."""
        self._post("users", {"users": users})

    def _get(self, control: str) -> dict[str, Any]:
        content: dict[str, Any] = self._request(control).json()
        return content

    def _request(self, control: str) -> httpx.Response:
        if self._client is None:
            raise RuntimeError("the sandbox is not running: use it as a context manager")
        return self._client.get(f"/_sandbox/{control}").raise_for_status()

    def _post(self, control: str, body: dict[str, Any]) -> None:
        if self._client is None:
            raise RuntimeError("the sandbox is not running: use it as a context manager")
        response = self._client.post(f"/_sandbox/{control}", json=body)
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"the sandbox rejected {control}: {response.json().get('error')}")
