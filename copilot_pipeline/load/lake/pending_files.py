"""Write a file that replaces another one as a whole.

In a folder and on Azure it is a draft, moved into place. On S3 and Google Cloud Storage it is collected in memory or,
if large, in an unnamed temporary file, and sent when it is complete.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from copilot_pipeline.load.lake.atomic_files import discard, prepare_folders, publish, temporary_path
from copilot_pipeline.load.lake.stores import Store

# More than most files have; what is larger is on disk until it is sent.
BYTES_IN_MEMORY = 32 << 20
# The size up to which the library sends an object in one request.
_CHUNK_BYTES = 10_000_000


class PendingFile:
    """A file that is being written; `stream` takes its content.

    `finish`, then `publish` make it visible. `discard` must follow in any case.
    """

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        self._draft = ""
        self.stream: IO[bytes]
        if store.replaces_whole_objects:
            self.stream = tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY)  # noqa: SIM115
        else:
            self._draft = temporary_path(store.root, path)
            prepare_folders(store.filesystem, self._draft, path)
            self.stream = store.filesystem.open_output_stream(self._draft)

    def finish(self) -> None:
        """End the content."""
        if self._draft:
            self.stream.close()

    def publish(self) -> None:
        """Make it visible in place of the previous file."""
        if self._draft:
            publish(self._store.filesystem, self._draft, self._path)
            return
        self.stream.seek(0)
        if (s3 := self._store.s3_with_headers) is not None:
            s3.send(self.stream, self._path)
            return
        # Without `with`, which would complete the object after an error.
        target = self._store.filesystem.open_output_stream(self._path)
        shutil.copyfileobj(self.stream, target, _CHUNK_BYTES)
        target.close()

    def discard(self) -> None:
        """Remove what is not visible."""
        try:
            self.stream.close()
        finally:  # `close` fails as well if the disk is full
            if self._draft:
                discard(self._store.filesystem, self._draft)


@contextmanager
def replacing(store: Store, path: str) -> Iterator[IO[bytes]]:
    """Yield a stream whose content replaces a file when the block ends, and not at all if the block raises."""
    file = PendingFile(store, path)
    try:
        yield file.stream
        file.finish()
        file.publish()
    finally:
        file.discard()
