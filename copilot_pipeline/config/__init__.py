"""Settings from the environment, `.env` and `pipeline.yaml`."""
