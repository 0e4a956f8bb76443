"""How fast it is, beside other ways to do the same: ratios of one run on one machine."""
