"""The model host of a simulated network."""
