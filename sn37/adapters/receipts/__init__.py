"""Adapter: rounds that validators publish, in folders."""
