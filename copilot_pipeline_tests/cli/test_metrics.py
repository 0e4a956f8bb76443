"""`metrics`, for machines that are not scraped."""

from __future__ import annotations

import base64

from copilot_pipeline_tests.cli.conftest import Command
from copilot_pipeline_tests.http_servers import Reply, serving


def test_sends_the_metrics_to_a_pushgateway(command: Command) -> None:
    """One PUT, which replaces those of the job, with what the command prints and the credentials of the address."""
    printed = command("metrics")
    with serving(lambda _: Reply(200, b"")) as gateway:
        address = gateway.url.replace("://", "://anna:secret-word@")
        assert command("metrics", "--pushgateway", address).code == 0
    (request,) = gateway.requests
    assert (request.method, request.path) == ("PUT", "/metrics/job/copilot_pipeline")
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"anna:secret-word"
    names = [line for line in printed.out.splitlines() if line.startswith("# TYPE")]
    assert len(names) > 20
    assert [line for line in request.body.decode().splitlines() if line.startswith("# TYPE")] == names


def test_a_refusal_of_the_pushgateway_is_one_sentence(command: Command) -> None:
    """Its address and the reason, without the password."""
    with serving(lambda _: Reply(400, b"pushed metrics are inconsistent")) as gateway:
        refused = command("metrics", "--pushgateway", gateway.url.replace("://", "://anna:secret-word@"))
    unreachable = command("metrics", "--pushgateway", gateway.url)
    not_an_address = command("metrics", "--pushgateway", "gopher://example.com")
    assert (refused.code, unreachable.code, not_an_address.code) == (1, 1, 2)
    assert "did not accept the metrics" in refused.err
    assert "400" in refused.err
    assert "secret-word" not in refused.err
    assert "refused" in unreachable.err
    assert "http://" in not_an_address.err
