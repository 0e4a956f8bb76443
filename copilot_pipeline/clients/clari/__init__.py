"""Clari Copilot: one client, two dialects of its API, one record type.

Code outside this package works on records. The dialect is a setting and is never guessed from a failed request.
"""
