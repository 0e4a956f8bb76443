"""Redaction of transcripts: which text is personal, and what replaces it.

Pure functions over the transcript model. Presidio is imported when the first transcript is redacted.
"""
