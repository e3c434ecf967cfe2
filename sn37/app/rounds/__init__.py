"""A round, from its plan to its result."""
