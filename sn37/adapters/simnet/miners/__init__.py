"""The miners of a simulated network and their models."""
