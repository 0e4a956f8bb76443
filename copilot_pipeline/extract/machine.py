"""How many cores and how much memory this process may use, by its affinity and its control group."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")  # version 2; a container sees its own


def usable_cores() -> int:
    """Return the number of cores, at least 1. A container's share of a core counts as one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def available_megabytes() -> int:
    """Return the memory that is not in use, in MB."""
    available = int(psutil.virtual_memory().available) >> 20
    limit, used = _read(_CGROUP / "memory.max").strip(), _read(_CGROUP / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        available = min(available, (int(limit) - int(used)) >> 20)
    return max(0, available)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
