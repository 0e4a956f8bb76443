"""Marts: tables computed from scored calls and deals. Pure functions, except for the reader and the builder."""
