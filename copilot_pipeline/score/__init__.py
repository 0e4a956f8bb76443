"""Score: one paid Semarize run per call, kit and transcript, and the score tables."""
