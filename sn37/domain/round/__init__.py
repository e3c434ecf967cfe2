"""Who takes part in a round, and who wins it."""
