"""Commitments, models, and the rules for taking part."""
