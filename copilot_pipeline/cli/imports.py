"""Import what commands that materialize need."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def permanent_imports() -> Iterator[None]:
    """Import modules within it that stay loaded until the process ends.

    Dagster and the definitions are 340,000 objects. The garbage collector does not run while they are imported, and
    does not traverse them later, above all not when the interpreter exits. `docs/performance.md` has the measurement.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
