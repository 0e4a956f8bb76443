"""Dagster definitions: assets, checks, resources, automation."""
