"""A lake in a bucket of a real S3 server on loopback, reached through a proxy that can answer in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import boto3
import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline_tests.deploy.object_store import BUCKET, ObjectStore
from copilot_pipeline_tests.deploy.slow_proxy import SlowProxy
from copilot_pipeline_tests.load.lake.test_files import utterances

ERROR = "<Error><Code>{}</Code><Message>{}</Message></Error>"


@dataclass
class Bucket:
    """A lake in a bucket that is reached through a proxy."""

    proxy: SlowProxy
    store: ObjectStore
    lake: Lake

    def client(self) -> Any:
        """A client of another library, past the proxy."""
        return boto3.client("s3", endpoint_url=self.store.url)

    def unfinished_uploads(self) -> list[Any]:
        """Uploads in parts that were neither completed nor aborted."""
        uploads = self.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [upload for upload in uploads if self.lake.path_of("") in f"{BUCKET}/{upload['Key']}"]


def large_rows() -> pa.Table:
    """Rows whose file is larger than one request carries."""
    return utterances([os.urandom(1 << 20).hex() for _ in range(12)])
