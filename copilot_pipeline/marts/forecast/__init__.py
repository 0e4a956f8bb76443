"""Conversation-weighted forecast: win probabilities of open deals, their sum by month, and their track record."""
