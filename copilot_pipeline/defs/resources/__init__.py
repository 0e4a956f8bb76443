"""Resources: the configuration of the pipeline as the Dagster UI shows it."""
