"""Simulated companies whose truth is known, for the statistics of the marts."""
