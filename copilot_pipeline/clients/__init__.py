"""HTTP clients: Clari Copilot and Semarize, the shared rate limiter, retries."""
