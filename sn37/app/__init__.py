"""Use cases, settings, wiring and entry points."""
