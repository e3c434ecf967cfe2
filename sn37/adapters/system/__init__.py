"""Adapter: the machine this runs on."""
