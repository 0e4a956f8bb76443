"""A lake on Google Cloud Storage, whose objects have generations."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import UTTERANCES
from copilot_pipeline_tests.load.lake.google_store import GoogleStore, running_google_store
from copilot_pipeline_tests.load.lake.test_files import DAY, texts_of, utterances, write


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleStore]:
    """A server, which the tests share."""
    with running_google_store() as store:
        yield store


def test_a_day_is_replaced_listed_and_removed(google: GoogleStore) -> None:
    """One object for each day, without drafts; `doctor`'s check of the store leaves none."""
    lake = Lake(google.lake_url)
    lake.probe()
    write(lake, utterances(["a"]))
    write(lake, utterances(["b", "c"]))
    assert texts_of(lake) == ["b", "c"]
    assert list(lake.files()) == [f"utterances/call_date={DAY}/part.parquet"]
    assert google.names() == [f"lake/utterances/call_date={DAY}/part.parquet"]
    assert (lake.days_of(UTTERANCES), lake.row_count(UTTERANCES, DAY)) == ({DAY}, 2)
    lake.set_aside(UTTERANCES, DAY)
    assert (texts_of(lake), len(google.names())) == ([], 1)


def test_a_file_in_parts_becomes_one_object(google: GoogleStore) -> None:
    """It is larger than one request carries."""
    rows = utterances([os.urandom(1 << 20).hex() for _ in range(12)])
    lake = Lake(google.lake_url)
    write(lake, rows)
    (batch,) = lake.batches(UTTERANCES, DAY)
    assert batch.equals(rows)


def test_a_read_that_meets_a_replacement_is_repeated(google: GoogleStore) -> None:
    """The generation that was opened no longer exists when its content is requested."""
    lake, name = Lake(google.lake_url), f"lake/utterances/call_date={DAY}/part.parquet"
    write(lake, utterances([f"longer {number}" for number in range(500)]))
    longer = google.content(name)
    write(lake, utterances(["short"]))
    google.replace_before_next_read(name, longer)
    assert len(texts_of(lake)) == 500


def test_a_bucket_that_does_not_exist_is_named(google: GoogleStore) -> None:
    with pytest.raises(ConfigurationError, match="there is no bucket or container nosuch: create it"):
        Lake(google.address("nosuch")).probe()
