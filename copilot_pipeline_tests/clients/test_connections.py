"""Proxies and certificates of the environment: used, or refused in a sentence that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from copilot_pipeline.clients.connections import open_http_client
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.errors import ConfigurationError, TemporaryFailure
from copilot_pipeline_tests.clients.endless import raw_server
from copilot_pipeline_tests.clients.socks import socks_proxy
from copilot_pipeline_tests.http_servers import in_sequence, reply, serving

_NAMES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables of the machine."""
    for name in os.environ:
        if name.upper() in _NAMES:
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "localhost,[::1]"),
        ("no_proxy", "[::1]"),
        ("ALL_PROXY", "socks4://user:s3cret@proxy:1080"),
        ("HTTPS_PROXY", "ftp://user:s3cret@proxy"),
        ("http_proxy", "http://user:s3cret@proxy:port"),
        ("SSL_CERT_FILE", "/no/such/s3cret-free.pem"),
        ("SSL_CERT_FILE", __file__),
    ],
)
def test_an_unusable_variable_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variable, and no password that is in it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable} cannot be used: ") as caught:
        open_http_client()
    assert "s3cret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "localhost,127.0.0.1,::1,.example.com,10.0.0.0/8,*"),
        ("NO_PROXY", " , ,http://inside.example"),
        ("ALL_PROXY", "socks5://user:password@proxy:1080"),
        ("ALL_PROXY", "socks5h://proxy:1080"),
        ("HTTP_PROXY", "proxy.example:3128"),
        ("SSL_CERT_FILE", ""),
    ],
)
def test_usable_variables_are_accepted(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What curl and httpx accept opens a client."""
    monkeypatch.setenv(variable, value)
    open_http_client().close()


def test_requests_go_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ALL_PROXY=socks5://…` is used, and the deadline applies behind it."""
    with serving(in_sequence(reply({"ok": 1}))) as service, socks_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        client = HttpClient("Service", service.url, {})
        assert client.request("GET", "/things").body == b'{"ok": 1}'
        assert len(proxy.connections) == 1
        client.close()


def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error states that the proxy may be the reason, and which variable names it."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    client = HttpClient("Service", "http://service.example", {}, policy=RetryPolicy(attempts=1))
    with pytest.raises(TemporaryFailure, match=r"connection refused.*check the proxy of ALL_PROXY too"):
        client.request("GET", "/things")
    client.close()


def test_a_proxy_that_is_no_proxy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An HTTP server in the place of a SOCKS proxy is a temporary failure, without a traceback."""
    with raw_server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        monkeypatch.setenv("ALL_PROXY", url.replace("http://", "socks5://"))
        client = HttpClient("Service", "http://service.example", {}, policy=RetryPolicy(attempts=1))
        with pytest.raises(TemporaryFailure, match="Service: GET /things"):
            client.request("GET", "/things")
        client.close()
