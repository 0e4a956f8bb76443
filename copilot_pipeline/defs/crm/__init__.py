"""Users, topics, scorecards, deals and accounts."""
