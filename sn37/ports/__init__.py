"""Protocols for everything outside that the use cases need."""
