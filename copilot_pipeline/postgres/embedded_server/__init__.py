"""The embedded PostgreSQL server: its programs, its user, its socket, its rules of access, and its life."""
