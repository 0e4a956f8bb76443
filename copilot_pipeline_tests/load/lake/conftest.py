"""A bucket on a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from copilot_pipeline.load.lake import Lake
from copilot_pipeline_tests.deploy.object_store import BUCKET, ObjectStore, running_object_store
from copilot_pipeline_tests.deploy.slow_proxy import running_slow_proxy
from copilot_pipeline_tests.load.lake.buckets import Bucket


@pytest.fixture(scope="package")
def store() -> Iterator[ObjectStore]:
    """A server for the tests of this folder."""
    with running_object_store() as running:
        yield running


@pytest.fixture
def bucket(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """A lake of its own in the bucket."""
    with running_slow_proxy(store.url) as proxy:
        for name, value in {**store.environment(), "AWS_ENDPOINT_URL": proxy.url, "AWS_MAX_ATTEMPTS": "1"}.items():
            monkeypatch.setenv(name, value)
        yield Bucket(proxy, store, Lake(f"s3://{BUCKET}/{abs(hash(request.node.name))}"))
