"""Deriving every decision again from what was recorded."""
