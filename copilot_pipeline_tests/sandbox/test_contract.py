"""The sandbox's Clari Copilot responses have the shape that the vendor documents.

`clari_copilot_schema.json` holds the response schemas of the endpoints that the pipeline reads, without descriptions
and examples. They are extracted from the vendor's OpenAPI document, version 1.0.0, at
https://api-doc.copilot.clari.com.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from copilot_pipeline.sandbox import Sandbox

_OPENAPI: dict[str, Any] = json.loads(Path(__file__).with_name("clari_copilot_schema.json").read_text(encoding="utf-8"))

# Where real responses are known to differ from the document, the sandbox follows them: key_takeaways may be a list,
# `type` has undocumented values, contact_ids may be a string, media URLs are null.
_UNCHECKED = {"key_takeaways", "contact_ids", "type", "audio_url", "video_url"}


def _schema_of(path: str) -> dict[str, Any]:
    """The JSON Schema of a 200 response; references resolve within it."""
    content = _OPENAPI["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    converted: dict[str, Any] = _to_json_schema({**content, "components": _OPENAPI["components"]})
    return converted


def _to_json_schema(node: Any) -> Any:
    """Convert OpenAPI 3.0 to JSON Schema: `nullable` becomes a type, and unchecked properties accept anything."""
    if isinstance(node, list):
        return [_to_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "properties" in node and isinstance(node["properties"], dict):
        kept = {key: True if key in _UNCHECKED else _to_json_schema(value) for key, value in node["properties"].items()}
        others = {key: _to_json_schema(value) for key, value in node.items() if key != "properties"}
        return {**others, "properties": kept}
    converted = {key: _to_json_schema(value) for key, value in node.items()}
    if converted.get("type") == "float":  # a mistake in the vendor's document: JSON Schema has no such type
        converted["type"] = "number"
    if converted.pop("nullable", False) and isinstance(converted.get("type"), str):
        converted["type"] = [converted["type"], "null"]
    return converted


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/calls", {"limit": "100"}),
        ("/calls", {"limit": "5", "includePagination": "false", "includePrivate": "true", "sortProcessed": "desc"}),
        ("/users", {}),
        ("/topics", {}),
        ("/v2/topics", {}),
        ("/scorecard", {"limit": "100"}),
        ("/get-deal", {"id": "006SBX000000000"}),
        ("/get-account", {"id": "001SBX000000000"}),
    ],
)
def test_responses_match_the_documented_schema(http: httpx.Client, path: str, params: dict[str, str]) -> None:
    """Of every endpoint that the pipeline reads."""
    response = http.get(f"/clari{path}", params=params)
    assert response.status_code == 200
    jsonschema.validate(response.json(), _schema_of(path))


def test_details_of_every_call_match_the_documented_schema(sandbox: Sandbox, http: httpx.Client) -> None:
    """Including the calls with irregular data."""
    validator = jsonschema.Draft202012Validator(_schema_of("/call-details"))
    for call in sandbox.truth():
        response = http.get("/clari/call-details", params={"id": call["call_id"]})
        validator.validate(response.json())


def test_schema_rejects_other_shapes(http: httpx.Client) -> None:
    """A converted schema is not empty: a list in the place of an object and a wrong type are errors."""
    validator = jsonschema.Draft202012Validator(_schema_of("/calls"))
    response = http.get("/clari/calls", params={"limit": "1"}).json()
    assert validator.is_valid(response)
    assert not validator.is_valid({**response, "calls": {}})
    assert not validator.is_valid({**response, "calls": [{**response["calls"][0], "title": 3}]})
