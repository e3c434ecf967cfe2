"""Data sources, and the samples of a round."""
