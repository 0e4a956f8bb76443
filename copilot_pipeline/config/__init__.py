"""Every setting: secrets and addresses from the environment (or `.env`), the rest from `pipeline.yaml`."""
