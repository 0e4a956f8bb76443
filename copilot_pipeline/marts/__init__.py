"""Answers made of scored conversations: pure functions from conversations and deals to rows of the marts."""
