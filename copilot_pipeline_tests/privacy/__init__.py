"""Tests of finding, exporting and erasing people and calls."""
