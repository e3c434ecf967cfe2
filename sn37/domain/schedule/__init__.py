"""Competitions, margins and their blocks."""
