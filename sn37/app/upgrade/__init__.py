"""Signed releases, taken into service and back."""
