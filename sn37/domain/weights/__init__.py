"""Standings and shares of the emission."""
