"""Addresses are shown without their secrets, get keys only over TLS, and are links only to allowed hosts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.pipeline_file import AdvancedClariSettings
from copilot_pipeline.config.urls import is_allowed_link, may_carry_a_key, without_secrets
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.addresses import checked_url

PIECES = ("s3cret", "pa55", "wörd")  # parts of a password between characters that an address reserves
RESERVED = "@#/:?%&=[];+ \\\"'"
SCHEMES = ("postgresql", "postgresql+psycopg", "s3", "redis", "http", "https", "socks5", "clickhouse")
PASSWORDS = st.lists(st.sampled_from(RESERVED), min_size=2, max_size=2).map(
    lambda marks: "".join(piece + mark for piece, mark in zip(PIECES, [*marks, ""], strict=True))
)
TAILS = st.sampled_from(
    (
        "host",
        "host:5432/database",
        "[::1]:6379/0",
        "bucket/folder",
        "h1:1,h2:2/db?sslmode=require",
        "host/db?region=x#y",
    )
)


@given(PASSWORDS, st.sampled_from(SCHEMES), TAILS)
@example("s3cret?pa55=wörd", "postgresql", "host/db")
@example("s3cret#pa55@wörd", "redis", "host")
def test_no_part_of_a_password_is_shown(password: str, scheme: str, tail: str) -> None:
    """Whatever characters it has that must be written as %XX and were not."""
    for url in (
        f"{scheme}://user:{password}@{tail}",
        f"{scheme}://:{password}@{tail}",
        f"user:{password}@{tail}",
        f" {scheme}://user:{password}@{tail}",
        f"{scheme}:/user:{password}@{tail}",
    ):
        assert [piece for piece in PIECES if piece in without_secrets(url)] == [], url


@given(PASSWORDS.filter(lambda password: "&" not in password and "#" not in password), st.sampled_from(SCHEMES))
def test_no_part_of_a_secret_parameter_is_shown(secret: str, scheme: str) -> None:
    """Of a parameter that has a harmless name before it, or of a user before it."""
    for url in (
        f"{scheme}://host/db?password={secret}",
        f"{scheme}://user:x@host/db?sslmode=require&password={secret}",
    ):
        assert [piece for piece in PIECES if piece in without_secrets(url)] == [], url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:p@ss/w#rd@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("s3://bucket/with@sign", "s3://bucket/with@sign"),
        ("s3://bucket/x?endpoint_override=http://a:b@minio", "s3://bucket/x?endpoint_override=***"),
        ("https://token@host/path", "https://***@host/path"),
        ("host=db user=u password='a b@c' sslmode=require", "host=db user=u password=*** sslmode=require"),
        ("/srv/lake@home:2", "/srv/lake@home:2"),
        ("postgresql://user:secret", "an address that cannot be read"),
    ],
)
def test_shows_what_is_certain_not_to_be_secret(url: str, shown: str) -> None:
    """Host, folder and database help to find a mistake."""
    assert without_secrets(url) == shown


@pytest.mark.parametrize("password", ["pa@s3cret", "12/s3cret", "a@12/s3cret", "pa/s3cret", "pa%s3cret"])
def test_refuses_a_database_password_that_libpq_would_take_for_the_host(password: str) -> None:
    """Its errors name the host, which would be the end of the password."""
    with pytest.raises(ConfigurationError, match="%40") as refused:
        checked_url(f"postgresql://user:{password}@host/database", "COPILOT_PIPELINE_DATABASE_URL")
    assert "s3cret" not in str(refused.value)


KEYED = ("clari_copilot_base_url", "semarize_base_url", "salesforce_base_url", "hubspot_base_url")


@pytest.mark.parametrize("variable", KEYED)
@pytest.mark.parametrize(
    "host",
    [
        "api.example.com", "127.0.0.1.example.com", "localhost.example.com", "2130706433", "0x7f.0.0.1", "127.1",
        "0.0.0.0", "10.0.0.1", "[::]", "[fe80::1]", "localhost.", "127.0.0.1@example.com",
    ],
)  # fmt: skip
def test_keys_are_not_sent_in_clear(variable: str, host: str) -> None:
    """Plain http is an invalid setting for other machines than this one, however their address is spelled."""
    with pytest.raises(ValidationError):
        Environment(**{variable: f"http://{host}"}, _env_file=None)  # type: ignore[call-arg, arg-type]
    assert not may_carry_a_key(f"http://{host}")


@pytest.mark.parametrize("variable", KEYED)
@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "http://127.0.0.1:8080", "http://127.8.9.1", "http://[::1]:1", "http://localhost:1"],
)
def test_keys_are_sent_over_tls_or_to_this_machine(variable: str, url: str) -> None:
    """The sandbox listens on loopback."""
    assert getattr(Environment(**{variable: url}, _env_file=None), variable) == url  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "http://copilot.clari.com/call/1",
        "https://clari.com.example.org/call/1",
        "https://notclari.com/call/1",
        "https://copilot.clari.com@example.org/",
        "https://example.org/https://copilot.clari.com/",
        "https://example.org\\@copilot.clari.com/",
        "https://copilot.clari.com:8443/",
        "https://copilot.clari.com\t.example.org/",
        "https://copilot.clari.com/\u202egnp",
        "https://copilot.clari.com/a b",
        "https://сopilot.clari.com/",  # noqa: RUF001  a Cyrillic letter
        "//copilot.clari.com/call/1",
        "javascript:alert(1)//copilot.clari.com",
        "data:text/html,copilot.clari.com",
        "https://copilot.clari.com\n",
        "",
        None,
    ],
)
def test_links_to_other_hosts_are_not_allowed(url: str | None) -> None:
    """The address of a call comes from outside."""
    assert not is_allowed_link(url)


def test_links_to_configured_hosts_are_allowed() -> None:
    """And to hosts below them, in any case, over https."""
    assert is_allowed_link("https://copilot.clari.com/call/1?t=2#x")
    assert is_allowed_link("https://Copilot.Clari.com:443/call/1")
    assert is_allowed_link("https://calls.example.com/1", ("example.com",))
    assert not is_allowed_link("https://copilot.clari.com/call/1", ("example.com",))
    assert not is_allowed_link("https://copilot.clari.com/call/1", ())


@pytest.mark.parametrize("host", ["https://clari.com", "clari.com/path", "com", "Clari.com", "clari.com\n", ""])
def test_refuses_link_hosts_that_are_no_host_names(host: str) -> None:
    """They would allow nothing, or everything."""
    with pytest.raises(ValidationError, match="host names"):
        AdvancedClariSettings(link_hosts=(host,))
