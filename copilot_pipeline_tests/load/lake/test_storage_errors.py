"""What a mistake in the address, the credentials or the store itself is reported as, on a real S3 server."""

from __future__ import annotations

import os
import signal

import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.identity import read_id
from copilot_pipeline.load.lake.storage_errors import StorageError
from copilot_pipeline_tests.deploy.object_store import BUCKET, running_object_store
from copilot_pipeline_tests.deploy.slow_proxy import Answer
from copilot_pipeline_tests.load.lake.buckets import ERROR, Bucket
from copilot_pipeline_tests.load.lake.test_files import texts_of, utterances, write

pytestmark = pytest.mark.e2e


def test_a_server_that_is_killed_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_object_store() as store:
        for name, value in {**store.environment(), "AWS_MAX_ATTEMPTS": "1"}.items():
            monkeypatch.setenv(name, value)
        lake = Lake(f"s3://{BUCKET}/lake")
        os.kill(store.process_id, signal.SIGKILL)
        with pytest.raises(StorageError, match=r"s3://lake/lake: (there is no|the) connection.* run the same"):
            write(lake, utterances(["said"]))
        with pytest.raises(StorageError, match="there is no connection"):
            texts_of(lake)


@pytest.mark.parametrize(
    ("status", "code", "message", "sentence"),
    [
        (403, "InvalidAccessKeyId", "", "does not know the access key: check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "", "the secret of the key is wrong: check AWS_ACCESS_KEY_ID and AWS_SECRET"),
        (403, "AccessDenied", "", "permission is missing, or no credentials were found: allow reading, writing"),
        (400, "ExpiredToken", "", "the credentials have expired: renew them"),
        (403, "RequestTimeTooSkewed", "", r"the clock of this machine differs .* set it \(NTP\)"),
        (
            301,
            "PermanentRedirect",
            "The bucket is in this region: eu-west-3",
            r"another region \(eu-west-3\): set AWS",
        ),
        (
            400,
            "AuthorizationHeaderMalformed",
            "wrong; expecting 'eu-west-3'",
            r"another region \(eu-west-3\): set AWS",
        ),
        (503, "SlowDown", "", "overloaded or has a fault of its own: run the same command again"),
        (400, "Unheard", "secret words", r"the store failed \(AWS Error UNKNOWN \(HTTP status 400\)\): check"),
    ],
)
def test_each_refusal_has_its_own_sentence(bucket: Bucket, status: int, code: str, message: str, sentence: str) -> None:
    """The bodies are those of Amazon's documentation."""
    bucket.proxy.answer_to = lambda _: Answer(status, ERROR.format(code, message).encode())
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        bucket.lake.probe()
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://nosuch/lake", "there is no bucket or container nosuch: create it, or correct COPILOT_PIPELINE_LAKE_URL"),
        ("s3://lake/x?endpoint_override=127.0.0.1:9&scheme=http", "there is no connection: check the endpoint"),
        ("s3://lake/x?endpoint_override=nosuch.invalid", "its name cannot be resolved: check the endpoint"),
        ("s3://lake/x?endpoint_override={proxy}&scheme=https", "no TLS connection can be made: check the scheme"),
    ],
)
def test_each_wrong_address_has_its_own_sentence(bucket: Bucket, url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Lake(url.format(proxy=f"127.0.0.1:{bucket.proxy.port}")).probe()


def test_a_lake_whose_id_cannot_be_read_is_refused_with_the_reason(bucket: Bucket) -> None:
    """Not with the class of an error, and not as an empty lake."""
    bucket.proxy.answer_to = lambda _: Answer(403)
    with pytest.raises(ConfigurationError, match="permission is missing, or no credentials were found"):
        read_id(bucket.lake)


def test_an_unknown_parameter_of_an_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"is invalid: .* s3://bucket/path, gs://bucket/path, or abfs://"):
        Lake("s3://bucket/lake?nosuch=1")
