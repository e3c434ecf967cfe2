"""Releases of this program, and the switch between two of them."""
