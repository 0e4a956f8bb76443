"""What a command loads before its work, in a process of its own: what it leaves behind is the whole process's."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

_LOADED = """
import gc, sys
import pytest

from copilot_pipeline.cli.loading import loading
with loading():
    import copilot_pipeline.cli.materialize
    assert not gc.isenabled()
import pyarrow as pa
made = pa.array(["a", None]), pa.table({"n": [1.5, float("nan")]})
print(gc.isenabled(), gc.get_freeze_count() > 100_000, "pandas" in sys.modules)
import pandas
print(pandas.DataFrame({"a": [1]}).shape, made[0].to_pylist())
"""


def test_loading_leaves_a_collector_that_works_and_no_pandas() -> None:
    """The collector is on again with all that was loaded set aside; Arrow works without pandas, which can be had."""
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True True False", "(1, 1) ['a', None]"]


def test_loading_that_fails_leaves_the_collector_on() -> None:
    """A module that cannot be imported is an error like any other."""
    words = """
import gc
from copilot_pipeline.cli.loading import loading
try:
    with loading():
        import no_such_module_anywhere
except ModuleNotFoundError as error:
    print(error.name, gc.isenabled())
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["no_such_module_anywhere", "True"]
