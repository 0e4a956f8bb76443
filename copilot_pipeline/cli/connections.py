"""Open what commands need: settings, the database and the services on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from copilot_pipeline.cli.console import echo
from copilot_pipeline.config.loading import Settings, load_settings
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline.progress import NoProgress, Progress

if TYPE_CHECKING:
    from copilot_pipeline.delivery.service import DeliveryService


def command_settings() -> Settings:
    """Load the settings and print warnings on standard error."""
    settings = load_settings()
    settings.report_warnings(lambda warning: echo(f"warning: {warning}", err=True))
    return settings


@contextmanager
def command_database(settings: Settings) -> Iterator[Database]:
    """Open the database with a migrated schema; close it at the end of the block.

    Raises `ConfigurationError` if the stored data were made with another time zone or configuration file.
    """
    # Imported here: commands that only read do without the state store.
    from copilot_pipeline.load.installation import accept_settings

    with unchecked_database(settings) as database:
        accept_settings(settings, database)
        yield database


@contextmanager
def unchecked_database(settings: Settings) -> Iterator[Database]:
    """Open the database without comparing the settings with those of the stored data; close it after the block."""
    with closing(open_database(settings.environment)) as database:
        yield database


@contextmanager
def opened() -> Iterator[tuple[Settings, Database]]:
    """Load the settings and open the database, for commands that need both."""
    settings = command_settings()
    with command_database(settings) as database:
        yield settings, database


@contextmanager
def opened_for_reading() -> Iterator[tuple[Settings, Database]]:
    """Load the settings and open the database, for commands whose result depends on no setting."""
    settings = command_settings()
    with unchecked_database(settings) as database:
        yield settings, database


def delivery_service(settings: Settings, database: Database, progress: Progress | None = None) -> DeliveryService:
    """Build the service that enqueues and sends deliveries and reports incidents."""
    from copilot_pipeline.clients.rate_limits import RateLimits
    from copilot_pipeline.delivery.service import DeliveryService

    return DeliveryService(settings, database, RateLimits.from_settings(settings), progress or NoProgress())
