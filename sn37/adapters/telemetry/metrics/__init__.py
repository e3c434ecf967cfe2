"""Metrics of a validator, for Prometheus: from events and recorded rounds, read when scraped."""
