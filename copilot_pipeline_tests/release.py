"""What a release must agree on: the tag, the version, the changelog and the schema. `make release-check`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from copilot_pipeline import __version__
from copilot_pipeline.postgres.migrate import HEAD
from copilot_pipeline_tests.postgres import released_schemas
from copilot_pipeline_tests.postgres.released_schemas import file_of

ROOT = Path(__file__).parent.parent
IMAGES = ("deploy/kubernetes/base/kustomization.yaml", "deploy/kubernetes/overlays/example/kustomization.yaml")
_SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?P<rest>.*)(?=\n+(?P<first>.*))", re.MULTILINE)
_DATE = re.compile(r" - \d{4}-\d\d-\d\d")


def problems(version: str, schema: str, changelog: str, tags: list[str], images: dict[str, str]) -> list[str]:
    """Return what contradicts a release of this version with this schema.

    `tags` are those of the commit, `images` the files that name the image, with their text.
    """
    found = []
    sections = [match for match in _SECTION.finditer(changelog) if match["version"] != "Unreleased"]
    newest = sections[0] if sections else None
    if newest is None or newest["version"] != version:
        found.append(
            f"CHANGELOG.md: the newest section is not [{version}] but [{newest['version'] if newest else '-'}]"
        )
    elif not _DATE.fullmatch(newest["rest"]):
        found.append(f"CHANGELOG.md: the heading of [{version}] has no date: ## [{version}] - YYYY-MM-DD")
    elif newest["first"] != f"Database schema: {schema}":
        found.append(f"CHANGELOG.md: the first line of [{version}] is not 'Database schema: {schema}'")
    if (unreleased := re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.S | re.M)) and unreleased[
        1
    ].strip():
        found.append(f"CHANGELOG.md: Unreleased is not empty: move it to [{version}]")
    if f"v{version}" not in tags:
        found.append(f"git: the commit has no tag v{version} (its tags: {', '.join(tags) or 'none'})")
    found += [f"{file}: newTag is not {version}" for file, text in images.items() if f'newTag: "{version}"' not in text]
    return found


def main() -> int:
    """Print the problems of the checkout; return the exit code."""
    git = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    images = {file: (ROOT / file).read_text(encoding="utf-8") for file in IMAGES}
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = problems(__version__, HEAD, changelog, git.stdout.split(), images)
    if not file_of(__version__).exists():
        found.append(f"the schema of {__version__} is not kept: python -m {released_schemas.__name__}")
    sys.stdout.write(
        "".join(f"{problem}\n" for problem in found) or f"{__version__} with schema {HEAD} is consistent.\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
