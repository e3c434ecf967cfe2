"""Adapters: sources of evaluation samples."""
