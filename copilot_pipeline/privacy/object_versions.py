"""Former versions of the objects of a lake, where the bucket keeps them: a place that is searched like the others.

On S3 each version is read. On other stores, and without permission or boto3, the place says what is not searched.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.s3_requests import INSTALL, ObjectVersion, S3Connection, is_installed
from copilot_pipeline.privacy.file_places import FileHit, texts_of_file
from copilot_pipeline.privacy.lake_places import LakePlace
from copilot_pipeline.privacy.matching import Matcher

_AT_ONCE = 64
_OTHER_STORES = {
    "gs": "gcloud storage ls --all-versions --recursive {address}",
    "abfs": "az storage blob list --include v --container-name {container} --prefix {prefix}",
}


@dataclass(frozen=True, slots=True)
class VersionHit(FileHit):
    """A former version that has the person or a call."""

    command: str = ""  # that removes it


@dataclass(slots=True)
class ObjectVersions:
    """Former versions of the objects of a lake. They are only named, unless `removes`."""

    lake: Lake
    tables: Sequence[LakePlace]
    removes: bool = False
    name: str = "lake/former versions of objects"
    note: str | None = field(default=None)  # what could not be searched, after a search

    def search(self, matcher: Matcher) -> Iterator[FileHit]:
        """Yield the former versions that have the person or a call."""
        for _, hit in self._found(matcher):
            yield hit

    def erase(self, matcher: Matcher) -> int:
        """Remove them for ever, and the marks of deletions that have no version left; return how many.

        Raises `PipelineError` if the store refuses one.
        """
        if not self.removes:
            return 0
        found = [version for version, _ in self._found(matcher)]
        s3, bucket, prefix = self._connection()
        if not found or s3 is None:
            return 0
        refused = [*s3.delete(bucket, found), *s3.delete(bucket, _lone_markers(s3, bucket, prefix))]
        if refused:
            raise PipelineError(
                f"the store refused to remove {len(refused):,} former versions of objects ({refused[0]}): allow "
                "s3:DeleteObjectVersion, or wait until their Object Lock ends, then run the same command again"
            )
        return len(found)

    def will_keep_more(self) -> bool:
        """Return whether the bucket keeps what is replaced or removed from now on, as far as that may be read."""
        s3, bucket, _ = self._connection()
        if s3 is None or not is_installed():
            return False
        try:
            return s3.keeps_versions(bucket)
        except OSError:
            return False

    def _connection(self) -> tuple[S3Connection | None, str, str]:
        bucket, _, prefix = self.lake.path_of("").partition("/")
        return self.lake.store.s3, bucket, prefix

    def _found(self, matcher: Matcher) -> Iterator[tuple[ObjectVersion, VersionHit]]:
        """Yield the former versions that have the person or a call. Sets `note` if they cannot be read."""
        self.note = self._reason_to_skip()
        s3, bucket, prefix = self._connection()
        if self.note is not None or s3 is None:
            return
        try:
            former = [one for one in s3.versions(bucket, prefix) if not (one.is_latest or one.is_marker)]
            for start in range(0, len(former), _AT_ONCE):
                some = former[start : start + _AT_ONCE]
                contents = self.lake.store.map(lambda one: s3.read(bucket, one), some)
                for version, content in zip(some, contents, strict=True):
                    kinds = self._kinds(version.key.removeprefix(prefix), content or b"", matcher)
                    if kinds:
                        path = f"{version.key}?versionId={version.version_id}"
                        command = _command(bucket, version)
                        yield version, VersionHit(path, kinds, is_kept=not self.removes, command=command)
        except OSError as error:
            self.note = (
                f"former versions of objects were not searched ({_code_of(error)}): allow s3:GetBucketVersioning, "
                f"s3:ListBucketVersions and s3:GetObjectVersion, or remove those of s3://{bucket}/{prefix} yourself"
            )

    def _reason_to_skip(self) -> str | None:
        store = self.lake.store
        if not store.is_remote:
            return None
        container, _, prefix = self.lake.path_of("").partition("/")
        if store.s3 is None:
            command = _OTHER_STORES[store.scheme].format(
                address=f"gs://{container}/{prefix}", container=container, prefix=prefix
            )
            return f"former versions of objects are not searched in this store; if it keeps them, list them: {command}"
        if not is_installed():
            return f"former versions of objects were not searched, because boto3 is not installed: {INSTALL}"
        return None

    def _kinds(self, name: str, content: bytes, matcher: Matcher) -> Counter[str]:
        place = next((one for one in self.tables if name.startswith(f"{one.table.name}/")), None)
        if place is not None and content[:4] == b"PAR1":
            try:
                return _kinds_of_table(place, content, matcher)
            except (pa.ArrowException, OSError, KeyError):  # of an earlier version of the table
                pass
        return Counter(kind for text in texts_of_file(name, content) for kind in matcher.kinds_in(text))


def _kinds_of_table(place: LakePlace, content: bytes, matcher: Matcher) -> Counter[str]:
    """Search a version of a table: Arrow selects the rows that may have the person."""
    kinds: Counter[str] = Counter()
    file = pq.ParquetFile(pa.BufferReader(content))
    for group in range(file.num_row_groups):
        for hit in place.hits(file.read_row_group(group, use_threads=False), None, matcher):
            kinds.update(hit.kinds)
            kinds["call"] += hit.is_of_call
    return +kinds


def _lone_markers(s3: S3Connection, bucket: str, prefix: str) -> list[ObjectVersion]:
    """Return the marks of deletions of objects that have no version: removing them brings nothing back."""
    versions = list(s3.versions(bucket, prefix))
    with_content = {one.key for one in versions if not one.is_marker}
    return [one for one in versions if one.is_marker and one.key not in with_content]


def _command(bucket: str, version: ObjectVersion) -> str:
    words = ["aws", "s3api", "delete-object", "--bucket", bucket, "--key", version.key]
    return shlex.join([*words, "--version-id", version.version_id])


def _code_of(error: OSError) -> str:
    text = str(error)
    return text.partition("(")[2].partition(")")[0] or type(error).__name__
