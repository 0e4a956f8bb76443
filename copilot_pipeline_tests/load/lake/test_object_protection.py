"""Encryption of the objects of a lake, and former versions of them, on a real S3 server."""

from __future__ import annotations

import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.storage_errors import StorageError
from copilot_pipeline.load.tables import UTTERANCES
from copilot_pipeline.privacy.identity import Identity
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.object_versions import ObjectVersions, VersionHit
from copilot_pipeline.privacy.places import LAKE_TABLES
from copilot_pipeline_tests.deploy.object_store import BUCKET
from copilot_pipeline_tests.deploy.slow_proxy import Answer
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.load.lake.buckets import ERROR, Bucket, large_rows
from copilot_pipeline_tests.load.lake.test_files import DAY, texts_of, utterances, write

pytestmark = pytest.mark.e2e


def test_every_object_is_written_with_the_encryption_of_the_address(bucket: Bucket) -> None:
    """Tables in one request and in parts, other files, and a file that is moved: all have the algorithm and the key."""
    lake = Lake(f"{bucket.lake.url}?encryption=aws:kms&kms_key=key-1")
    write(lake, utterances(["unreadable"]))
    lake.set_aside(UTTERANCES, DAY)
    with bucket.proxy.counted() as requests:
        write(lake, large_rows())
    assert len(requests) >= 4
    write(lake, utterances(["a"]))
    lake.replace_file("reports/week.html", b"<p>")
    lake.probe()
    assert texts_of(lake) == ["a"]
    prefix = lake.path_of("").partition("/")[2]
    objects = bucket.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    heads = [bucket.client().head_object(Bucket=BUCKET, Key=one["Key"]) for one in objects]
    assert [(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads] == [("aws:kms", "key-1")] * 3
    assert lake.display_url.endswith("?encryption=aws:kms&kms_key=key-1")
    bucket.proxy.answer_to = lambda _: Answer(400, ERROR.format("KMS.NotFoundException", "no such key").encode())
    with pytest.raises(StorageError, match="its key cannot be used"):
        write(lake, utterances(["b"]))
    for query in ("encryption=aes", "encryption=AES256&kms_key=key-1", "kms_key=key-1"):
        with pytest.raises(ConfigurationError, match="encryption must be one of AES256, aws:kms, aws:kms:dsse"):
            Lake(f"s3://bucket/lake?{query}")


def test_the_key_of_a_google_address_is_sent_with_each_object() -> None:

    def answer(request: ReceivedRequest) -> Reply:
        if request.method == "POST" and "/upload/" in request.path:
            return Reply(headers={"Location": f"{server.url}/session?upload_id=1"})
        return reply({"name": "x", "bucket": "b", "size": str(len(request.body)), "generation": "1"})

    with serving(answer) as server:
        address = server.url.removeprefix("http://")
        lake = Lake(f"gs://anonymous@b/lake?scheme=http&endpoint_override={address}&kms_key=projects/p/cryptoKeys/k")
        lake.replace_file("reports/week.html", b"<p>")
    assert lake.store.encrypts
    assert [one.params.get("kmsKeyName") for one in server.requests] == ["projects/p/cryptoKeys/k", None]
    assert server.requests[1].body == b"<p>"


def test_former_versions_of_objects_are_found_and_removed(bucket: Bucket) -> None:
    """Those of tables, of removed files and of files that cannot be parsed; what readers see and other people's stay.

    Without `removes` they are named with the command that removes each of them.
    """
    client, lake = bucket.client(), bucket.lake
    prefix = lake.path_of("").partition("/")[2]
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for text in ("ask Mei Lin", "ask Mei Lin again", "ask Dana"):
        write(lake, utterances([text]))
    lake.replace_file("reports/week.html", b"<p>MEI&nbsp;LIN")
    lake.remove_file("reports/week.html")
    lake.replace_file("users/part.parquet", b"PAR1 Mei Lin")
    lake.replace_file("users/part.parquet", b"PAR1")
    matcher = Matcher(Identity(names=frozenset({"Mei Lin"})))
    named = ObjectVersions(lake, LAKE_TABLES)
    assert named.will_keep_more()
    hits = list(named.search(matcher))
    assert [hit.path.partition("?")[0].removeprefix(prefix) for hit in hits] == [
        "reports/week.html",
        "users/part.parquet",
        *(f"utterances/call_date={DAY}/part.parquet",) * 2,
    ]
    assert all(isinstance(hit, VersionHit) and hit.is_kept and "--version-id" in hit.command for hit in hits)
    assert named.erase(matcher) == 0
    assert ObjectVersions(lake, LAKE_TABLES, removes=True).erase(matcher) == 4
    assert (list(named.search(matcher)), named.note) == ([], None)
    listed = client.list_object_versions(Bucket=BUCKET, Prefix=prefix)
    assert {one["Key"].removeprefix(prefix) for one in listed["Versions"] if one["IsLatest"]} >= {"users/part.parquet"}
    assert not listed.get("DeleteMarkers")
    assert texts_of(lake) == ["ask Dana"]
    bucket.proxy.answer_to = lambda _: Answer(403, ERROR.format("AccessDenied", "no").encode())
    assert list(named.search(matcher)) == []
    assert "were not searched (AccessDenied): allow s3:GetBucketVersioning, s3:ListBucketVersions" in (named.note or "")
