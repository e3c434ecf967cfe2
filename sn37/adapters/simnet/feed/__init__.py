"""The data sources of a simulated network."""
