"""Types of settings: normalization, validation, and secrets."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from copilot_pipeline.config.urls import may_carry_a_key

Keys = tuple[str | int, ...]  # the path to a setting in pipeline.yaml: names of mappings, indexes of lists


class Strict(BaseModel):
    """A part of the settings: unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _empty_is_missing(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _secret(value: object) -> object:
    # A pasted key often has a blank or a line break at its end, which the vendor answers with 403. Other characters
    # that a header cannot hold would fail at the first request, with the key in the library's message.
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    if not re.fullmatch(r"[!-~]*", stripped):
        raise ValueError("contains a blank, a line break or a character outside ASCII: copy it again, only the key")
    return stripped or None


def _secrets(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[!-~\s]*", value, re.ASCII):
        raise ValueError("contains a character outside ASCII: copy it again; several secrets are separated by a blank")
    return " ".join(value.split()) or None


def _host_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = value.replace(",", " ").lower().split()
    if not all(re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", name, re.ASCII) for name in names):
        raise ValueError(
            "must be host names such as pipeline.example.com, separated by blanks, without https:// or a path"
        )
    return " ".join(names) or None


def _http_address(value: object) -> object:
    if not isinstance(value, str):
        return value
    address = value.strip().rstrip("/").removesuffix("/v1")  # the version is part of each path
    try:
        parts = urlsplit(address)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment or parts.username or re.search(r"\s", address):
        raise ValueError("must look like https://host, without a key, a query or a blank")
    if not may_carry_a_key(address):
        raise ValueError("must begin with https://, because the key is sent to it; http:// only to this machine")
    return address


Secret = Annotated[SecretStr | None, BeforeValidator(_secret)]
# One secret, or several separated by blanks while it is being rotated.
Secrets = Annotated[SecretStr | None, BeforeValidator(_secrets)]
# Host names, with or without a port, in lower case and separated by blanks.
HostNames = Annotated[str | None, BeforeValidator(_host_names)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_missing)]
# Addresses that may hold a password are kept out of every repr.
OptionalAddress = Annotated[str | None, BeforeValidator(_empty_is_missing), Field(repr=False)]
HttpAddress = Annotated[str, BeforeValidator(_http_address)]
OptionalHttpAddress = Annotated[HttpAddress | None, BeforeValidator(_empty_is_missing)]
