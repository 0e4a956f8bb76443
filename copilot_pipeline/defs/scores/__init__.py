"""Semarize runs and score tables."""
