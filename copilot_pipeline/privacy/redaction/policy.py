"""The redaction policy: what is replaced by what, and its fingerprint. Does not import Presidio."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.errors import ConfigurationError

# Increased when the same settings and engine replace other text: names, labels, tags.
RULES_VERSION = 2
INSTALL = 'python -m pip install "copilot-pipeline[privacy]"'
# Versions that the package index has under names of spaCy's models without being one of them.
_PLACEHOLDER_VERSION = "999."


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """Settings, with the versions of the engine and of the models that apply them."""

    settings: RedactionSettings
    engine_version: str
    model_versions: tuple[tuple[str, str], ...] = ()

    @property
    def redacts_stored_text(self) -> bool:
        """Whether what is stored is redacted too, not only what is scored."""
        return self.settings.before == "storing"

    @property
    def fingerprint(self) -> str:
        """Return what identifies the redacted text: the same for the same entities, replacements and engine.

        The step before which the text is redacted is left out: it does not change the text that is scored.
        """
        facts = {
            "rules": RULES_VERSION,
            "entities": sorted(set(self.settings.entities)),
            "replace": self.settings.replace,
            "phone_regions": sorted(set(self.settings.phone_regions)),
            "min_score": self.settings.min_score,
            "engine": self.engine_version,
            "models": sorted(self.model_versions),
        }
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def stored_fingerprint(self) -> str | None:
        """Return the fingerprint if stored text is redacted, else None."""
        return self.fingerprint if self.redacts_stored_text else None

    def describe(self) -> str:
        """Return the engine and the models, for people."""
        models = ", ".join(f"{name} {number}" for name, number in self.model_versions) or "without a model"
        return f"presidio-analyzer {self.engine_version}, {models}, policy {self.fingerprint}"


def redaction_policy(settings: Settings) -> RedactionPolicy | None:
    """Return the configured policy, None without one.

    Raises `ConfigurationError` if the engine or a model is not installed.
    """
    redact = settings.pipeline.privacy.redact
    if redact is None:
        return None
    place = settings.place_of("privacy", "redact")
    return RedactionPolicy(
        redact,
        _engine_version(place),
        tuple((name, _model_version(name, place)) for name in sorted(set(redact.models))),
    )


def redaction_input(settings: Settings) -> str:
    """Return what the stored rows of calls depend on: the policy and its step; empty without redaction."""
    policy = redaction_policy(settings)
    return f"{policy.settings.before}:{policy.fingerprint}" if policy is not None else ""


def _engine_version(place: str) -> str:
    if find_spec("presidio_analyzer") is None or find_spec("presidio_anonymizer") is None:
        raise ConfigurationError(
            f"{place}: privacy.redact needs Presidio, which is not installed: {INSTALL} (from a clone: "
            'python -m pip install -e ".[privacy]"), or remove privacy.redact'
        )
    return version("presidio-analyzer")


def _model_version(name: str, place: str) -> str:
    try:
        installed = version(name)
    except PackageNotFoundError:
        raise ConfigurationError(
            f"{place}: the spaCy model {name} of privacy.redact.models is not installed, and none is downloaded: "
            "install its wheel (docs/privacy.md), or remove it from the list"
        ) from None
    if installed.startswith(_PLACEHOLDER_VERSION):
        raise ConfigurationError(
            f"{place}: the installed package {name} {installed} is a placeholder of that name, not a model: "
            "uninstall it, and install the wheel of the model (docs/privacy.md)"
        )
    return installed
