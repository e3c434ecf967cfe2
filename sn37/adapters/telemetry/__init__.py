"""Adapters: where events go."""
