"""Semarize runs, one per call, kit and transcript, and the score tables."""
