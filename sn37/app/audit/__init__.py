"""Audit: deriving every decision again from the records."""
