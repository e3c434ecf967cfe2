"""Adapter: scoring models in a worker process on one device."""
