"""The types of settings that come as text: what is taken off, what is refused, what is never shown."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr


class Strict(BaseModel):
    """A part of the settings: a key it does not know is a mistake, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _empty_is_missing(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _secret(value: object) -> object:
    # A pasted key often carries a blank or a line end, and the vendor then answers 403. Other characters outside of
    # what a header can hold would fail at the first request, with the key in the library's message.
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    if not re.fullmatch(r"[!-~]*", stripped):
        raise ValueError("holds a blank, a line break or a character outside ASCII: copy it again, only the key")
    return stripped or None


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
        raise ValueError("must look like https://host, with no key, query or blank in it")
    return address


Secret = Annotated[SecretStr | None, BeforeValidator(_secret)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_missing)]
# Addresses that may hold a password are kept out of every repr.
OptionalAddress = Annotated[str | None, BeforeValidator(_empty_is_missing), Field(repr=False)]
HttpAddress = Annotated[str, BeforeValidator(_http_address)]
OptionalHttpAddress = Annotated[HttpAddress | None, BeforeValidator(_empty_is_missing)]
