"""Deals and people over time, and conversations beside them."""
