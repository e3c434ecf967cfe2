"""Adapter: validator state in one SQLite database."""
