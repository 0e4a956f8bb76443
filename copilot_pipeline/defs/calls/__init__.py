"""Raw call details and the call tables."""
