"""Import what long commands need."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Import modules within it, without a garbage collection.

    Dagster and the definitions are 340,000 objects, none of them garbage. Without this, importing them takes 1.86 s of
    CPU instead of 1.41 s.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
