"""Tests of the files in deploy/, and of the pipeline as they run it."""
