"""Transform call records into the rows of the call tables. Pure functions."""
