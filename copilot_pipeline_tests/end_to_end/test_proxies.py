"""The command under the proxy and certificate variables of a company network."""

from __future__ import annotations

import os

import pytest

from copilot_pipeline_tests.clients.socks import socks_proxy
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline


def test_runs_through_a_socks_proxy(make_pipeline: MakePipeline) -> None:
    """`ALL_PROXY=socks5://…` carries the requests to both services."""
    pipeline = make_pipeline(days=1, calls_per_day=3)
    with socks_proxy() as proxy:
        assert pipeline.run(changes={"ALL_PROXY": proxy.url})["complete"] is True
    assert len(proxy.connections) >= 2
    assert {host for host, _ in proxy.connections} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "localhost,127.0.0.1,[::1]"),
        ("SSL_CERT_FILE", "/etc/ssl/certs/removed-last-year.pem"),
        ("ALL_PROXY", "socks4://127.0.0.1:1080"),
    ],
)
def test_an_unusable_variable_is_one_sentence(make_pipeline: MakePipeline, variable: str, value: str) -> None:
    """Exit code 3, the name of the variable, and no traceback; nothing is requested."""
    pipeline = make_pipeline(days=1, calls_per_day=3)
    pipeline.run(expect=3, changes={variable: value})
    assert [
        line for line in pipeline.error_output.splitlines() if line.startswith(f"error: {variable} cannot be used: ")
    ]
    assert "Traceback" not in pipeline.error_output
    assert pipeline.sandbox.stats()["clari_total"] == 0


def test_the_sandbox_needs_no_proxy(make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control connection to the sandbox, which is on this machine, ignores proxies."""
    assert "ALL_PROXY" not in os.environ
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    pipeline = make_pipeline(days=1, calls_per_day=3)
    assert pipeline.sandbox.stats()["clari_total"] == 0
