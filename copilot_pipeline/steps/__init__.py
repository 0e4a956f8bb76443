"""The one path, step by step: list, fetch, store, tabulate, score.

No step knows of Dagster. Each may die at any instant and is simply run again.
"""
