"""E-mail addresses as identities. Pure."""

from __future__ import annotations


def normalized_address(email: str | None) -> str | None:
    """Return an address for comparison: trimmed and case-folded; None if blank."""
    return (email.strip().casefold() or None) if email is not None else None
