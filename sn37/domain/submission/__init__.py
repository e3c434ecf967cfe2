"""Commitments, models, and whether they may take part."""
