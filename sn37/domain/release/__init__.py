"""Versions of this program and the switch between them."""
