"""Marts and the weekly report."""
