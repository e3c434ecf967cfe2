"""Samples, draws, and rows that are left out."""
