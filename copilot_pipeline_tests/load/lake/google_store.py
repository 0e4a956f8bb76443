"""A server with the part of Google Cloud Storage's JSON API that a lake uses: objects with generations in a bucket.

It is a process of its own: Arrow holds the interpreter while it waits for a response.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import httpx

from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.processes import running_process

BUCKET = "lake-bucket"
_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)(?:/rewriteTo/b/[^/]+/o/([^/]+))?")
_NOT_FOUND = reply({"error": {"code": 404, "message": "Not Found"}}, 404)


@dataclass(frozen=True)
class Stored:
    """An object in one of its generations."""

    content: bytes
    generation: int


@dataclass(frozen=True)
class GoogleStore:
    """A running server."""

    url: str

    @property
    def lake_url(self) -> str:
        """The address of a lake in the bucket."""
        return self.address(BUCKET)

    def address(self, bucket: str) -> str:
        """The address of a lake in a bucket, which may not exist."""
        return f"gs://anonymous@{bucket}/lake?scheme=http&endpoint_override={self.url.removeprefix('http://')}"

    def names(self) -> list[str]:
        """The names of all objects."""
        items = httpx.get(f"{self.url}/storage/v1/b/{BUCKET}/o").raise_for_status().json()["items"]
        return [item["name"] for item in items]

    def content(self, name: str) -> bytes:
        """The content of an object."""
        path = f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"
        return httpx.get(f"{self.url}{path}", params={"alt": "media"}).raise_for_status().content

    def replace_before_next_read(self, name: str, content: bytes) -> None:
        """Replace an object when its description was read and its content is requested."""
        httpx.post(f"{self.url}/replacement/b/{BUCKET}/", params={"name": name}, content=content).raise_for_status()


@contextmanager
def running_google_store() -> Iterator[GoogleStore]:
    """Run the server until the block ends."""
    command = [sys.executable, "-m", __name__]
    with running_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield GoogleStore(process.stdout.readline().strip())


@dataclass
class _Bucket:
    """The objects, and those that are replaced before their content is read."""

    objects: dict[str, Stored] = field(default_factory=dict)
    replacements: dict[str, bytes] = field(default_factory=dict)
    _uploads: dict[str, bytes] = field(default_factory=dict)
    _generation: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, content: bytes) -> dict[str, Any]:
        """Replace an object; return its description."""
        with self._lock:
            self._generation += 1
            self.objects[name] = Stored(content, self._generation)
        return self._described(name)

    def answer(self, request: ReceivedRequest) -> Reply:
        """Answer a request."""
        if f"/b/{BUCKET}/" not in f"{request.path}/":
            return _NOT_FOUND
        if request.path.startswith("/replacement/"):
            self.replacements[request.params["name"]] = request.body
            return reply({})
        if request.path.startswith("/upload/"):
            return self._upload(request)
        match = _OBJECT.fullmatch(request.path)
        if match is None:
            names = [name for name in sorted(self.objects) if name.startswith(request.params.get("prefix", ""))]
            return reply({"kind": "storage#objects", "items": [self._described(name) for name in names]})
        name, target = unquote(match[2]), match[3]
        if name not in self.objects:
            return _NOT_FOUND
        if target is not None:
            copied = self.put(unquote(target), self.objects[name].content)
            size = copied["size"]
            return reply({"done": True, "resource": copied, "totalBytesRewritten": size, "objectSize": size})
        if request.method == "DELETE":
            del self.objects[name]
            return Reply(204, b"")
        return self._content(name, request) if request.params.get("alt") == "media" else reply(self._described(name))

    def _upload(self, request: ReceivedRequest) -> Reply:
        if request.method == "POST":
            name = request.params["name"]
            self._uploads[name] = b""
            session = f"{request.path}?upload_id=1&name={quote(name, safe='')}"
            return Reply(headers={"Location": f"http://{request.headers['host']}{session}"})
        name = request.params["name"]
        self._uploads[name] += request.body
        if request.headers.get("content-range", "/1").endswith("/*"):
            return Reply(308, b"", {"Range": f"bytes=0-{len(self._uploads[name]) - 1}"})
        return reply(self.put(name, self._uploads.pop(name)))

    def _content(self, name: str, request: ReceivedRequest) -> Reply:
        if name in self.replacements:
            self.put(name, self.replacements.pop(name))
        stored = self.objects[name]
        if request.params.get("generation", str(stored.generation)) != str(stored.generation):
            return _NOT_FOUND
        headers = {"x-goog-generation": str(stored.generation), "Content-Type": "application/octet-stream"}
        if asked := re.match(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")):
            first, last = int(asked[1]), int(asked[2] or len(stored.content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(stored.content)}"
            return Reply(206, stored.content[first : last + 1], headers)
        return Reply(200, stored.content, headers)

    def _described(self, name: str) -> dict[str, Any]:
        stored = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": BUCKET,
            "generation": str(stored.generation),
            "size": str(len(stored.content)),
            "updated": "2026-11-03T10:00:00.000Z",
        }


if __name__ == "__main__":
    with serving(_Bucket().answer) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
