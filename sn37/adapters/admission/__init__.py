"""Checks of untrusted model files, shared by every model store."""
