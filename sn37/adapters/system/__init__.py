"""Adapters for the local machine: clock, health pages, service manager, watchdog."""
