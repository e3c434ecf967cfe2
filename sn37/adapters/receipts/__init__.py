"""Adapter: folders of rounds that validators publish."""
