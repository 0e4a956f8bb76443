"""Steps are measured, and repeated after a lost database connection, and only then.

Everything that a step does is recorded as it is done, so a repeated step fetches and pays nothing twice.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import dagster as dg

from copilot_pipeline.defs.measurements import measured_step
from copilot_pipeline.errors import is_connection_loss

MAX_RETRIES = 10
RETRY_AFTER_SECONDS = 3.0  # with the retries, half a minute: the restart of a server

Compute = TypeVar("Compute", bound=Callable[..., Any])


def retried_when_disconnected(compute: Compute) -> Compute:
    """Make the compute function of an asset or op ask Dagster to repeat the step if a connection was lost.

    The duration of the step is recorded under the name of the function, in the metrics and as a span.
    """
    wrapped: Any
    if inspect.isgeneratorfunction(compute):

        @functools.wraps(compute)
        def iterate(*arguments: Any, **named: Any) -> Iterator[Any]:
            try:
                with measured_step(compute.__name__, named):
                    yield from compute(*arguments, **named)
            except Exception as error:  # noqa: BLE001  raised again
                _raise_or_retry(error)

        wrapped = iterate
    else:

        @functools.wraps(compute)
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                with measured_step(compute.__name__, named):
                    return compute(*arguments, **named)
            except Exception as error:  # noqa: BLE001  raised again
                _raise_or_retry(error)

        wrapped = call
    return wrapped  # type: ignore[no-any-return]


def _raise_or_retry(error: Exception) -> NoReturn:
    if is_connection_loss(error):
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=RETRY_AFTER_SECONDS) from error
    raise error
