"""Settings: secrets and addresses from the environment or `.env`, everything else from `pipeline.yaml`."""
