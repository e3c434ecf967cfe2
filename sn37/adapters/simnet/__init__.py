"""Adapter: the whole outside world in one folder, for runs without a network."""
