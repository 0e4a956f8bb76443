"""The arguments that the commands of the simulations have in common."""

from __future__ import annotations

import argparse


def parser_of_worlds(description: str | None, worlds: int) -> argparse.ArgumentParser:
    """Return a parser with the number of worlds of each kind, the first seed, and which kinds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--worlds", type=int, default=worlds)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", default="")
    return parser
