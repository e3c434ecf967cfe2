"""Scoring a receipt again."""
