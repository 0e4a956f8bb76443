"""Assets and checks about personal data."""

RETENTION = "retention"  # the asset that removes what is too old
