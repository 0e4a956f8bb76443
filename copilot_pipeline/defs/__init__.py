"""Everything of Dagster: assets, checks, resources, automation."""
