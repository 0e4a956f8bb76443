"""The private columns of the settings."""

from __future__ import annotations

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.tables.private_columns import PrivateColumns, mistake_of

KEY_VARIABLE = "COPILOT_PIPELINE_HASH_KEY"
MIN_KEY_CHARS = 32


def private_columns(settings: Settings) -> PrivateColumns:
    """Return the columns to hash or to drop.

    Raises `ConfigurationError` if a column does not exist or cannot be hidden, or if the key is missing or short.
    """
    privacy = settings.pipeline.privacy
    mistakes = [
        f"  privacy.{setting}: {mistake}"
        for setting, names in (("hash_columns", privacy.hash_columns), ("drop_columns", privacy.drop_columns))
        for name in names
        if (mistake := mistake_of(name, is_hashed=setting == "hash_columns")) is not None
    ]
    both = sorted(set(privacy.hash_columns) & set(privacy.drop_columns))
    mistakes += [f"  privacy.drop_columns: {name} is in hash_columns too" for name in both]
    if mistakes:
        raise ConfigurationError("\n".join([f"{settings.config_path} has invalid settings:", *mistakes]))
    secret = settings.environment.copilot_pipeline_hash_key
    key = secret.get_secret_value() if secret is not None else ""
    if privacy.hash_columns and len(key) < MIN_KEY_CHARS:
        raise ConfigurationError(
            f"privacy.hash_columns needs a key of at least {MIN_KEY_CHARS} characters in {KEY_VARIABLE}: create "
            "one with `openssl rand -hex 32`, and keep it, because another key makes other hashes"
        )
    return PrivateColumns(privacy.hash_columns, privacy.drop_columns, key)
