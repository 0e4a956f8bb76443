"""Importing what long work needs: thousands of modules, none of them garbage, and one that is not needed at all."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def loading() -> Iterator[None]:
    """Within it, modules are imported without looking for garbage; what they made is never looked through again.

    Loading Dagster takes a quarter less time, and so does all work after it: a full collection would walk through a
    million objects that stay until the end.
    """
    gc.disable()
    try:
        yield
        _spare_pandas()
    finally:
        gc.freeze()
        gc.enable()


class _WithoutPandas(MetaPathFinder):
    """An import system in which pandas is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuses pandas, and leaves the rest to the finders behind this one."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)
        return None


def _spare_pandas() -> None:
    """Arrow asks at its first array whether pandas is there, and so loads it: 30 MB for what no command does.

    The answer is remembered for the whole process, so only a command, whose process this is, may give it.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array(())
    finally:
        sys.meta_path.remove(finder)
