"""Whether a body is JSON at all, which it is not if a proxy or a lost connection has garbled it. Pure."""

from __future__ import annotations

import json

import msgspec

_HTML = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def is_json(body: bytes) -> bool:
    """Return whether a body is JSON, with the defects that the decoders of the clients accept.

    JSON that cannot be decoded because it is nested too deeply, or has a number of thousands of digits, is JSON: it
    will be the same at the next attempt.
    """
    try:
        msgspec.json.decode(body, type=msgspec.Raw)  # checks the syntax without building objects
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _is_lenient_json(body)
    return True


def _is_lenient_json(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8-sig", errors="replace"), strict=False)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return True


def describe_unreadable(body: bytes) -> str:
    """Return what a body is that is not JSON, without its content."""
    if not body.strip():
        return "the body is empty"
    if body.lstrip()[:20].lower().startswith(_HTML):
        return "the body is HTML, not JSON"
    return "the body is not JSON, or is cut off"
