"""Who may connect to the server, and what it writes into its log.

The superuser `postgres` is the user of the operating system that owns the data folder, or root, as the kernel reports
the other end of the socket. Every other role needs its password. There is no TCP listener.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from copilot_pipeline.postgres.embedded_server.account import Account
from copilot_pipeline.postgres.embedded_server.files import replace_file

SUPERUSER = "postgres"
HBA_FILE = "pg_hba.conf"
IDENT_FILE = "pg_ident.conf"
STARTUP_LOG = "startup.log"
LOG_FOLDER = "log"
MARK = "cluster_name=copilot_pipeline"
_MAP = "copilot_pipeline"
_NOTE = "# Written by copilot-pipeline at every start of the server; changes are lost.\n"
_KEPT_VARIABLES = ("TZ", "LANG")

# Given on the command line, which takes precedence over the files of the data folder.
_SETTINGS = (
    MARK,
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "unix_socket_group=",
    "password_encryption=scram-sha-256",
    # The log: starts, stops and crashes, in a file for each weekday. Neither statements nor the texts of errors, which
    # contain what was said in calls; the client receives them.
    "logging_collector=on",
    "log_destination=stderr",
    f"log_directory={LOG_FOLDER}",
    "log_filename=server-%a.log",
    "log_file_mode=0600",
    "log_rotation_age=1d",
    "log_rotation_size=0",
    "log_truncate_on_rotation=on",
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_statement=none",
    "log_duration=off",
    "log_min_duration_statement=-1",
    "log_min_duration_sample=-1",
    "log_transaction_sample_rate=0",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
    "log_autovacuum_min_duration=-1",
    "log_checkpoints=off",
    "log_connections=",
    "log_disconnections=off",
    "log_lock_waits=off",
    "log_temp_files=-1",
    "log_statement_stats=off",
    "debug_print_parse=off",
    "debug_print_rewritten=off",
    "debug_print_plan=off",
)


def server_settings(folder: str, socket_folder: Path) -> list[str]:
    """Return the options of `postgres`; `folder` is the data folder as the server names it."""
    settings = [
        *_SETTINGS,
        f"hba_file={folder}/{HBA_FILE}",
        f"ident_file={folder}/{IDENT_FILE}",
        f"unix_socket_directories={socket_folder}",
    ]
    return [part for setting in settings for part in ("-c", setting)]


def server_environment() -> dict[str, str]:
    """Return the environment of the server: no key, password or token of this process."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith("LC_")}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **kept}


def write_access_rules(folder: Path, account: Account) -> None:
    """Write the rules of access, also over those of data folders of earlier versions, which let everyone in."""
    names = sorted({account.name, pwd.getpwuid(0).pw_name})
    replace_file(folder / IDENT_FILE, _NOTE + "".join(f'{_MAP} "{name}" {SUPERUSER}\n' for name in names))
    rules = [
        "local template0,template1 all reject",  # where everyone may create temporary tables
        f"local all {SUPERUSER} peer map={_MAP}",
        "local all all scram-sha-256",
    ]
    replace_file(folder / HBA_FILE, _NOTE + "".join(f"{rule}\n" for rule in rules))
