"""Samples of data sources, and checks of new ones."""
