"""Cold start: starting with an empty state from the records of other validators."""
