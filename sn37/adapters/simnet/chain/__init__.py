"""The chain of a simulated network."""
