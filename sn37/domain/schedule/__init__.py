"""Competitions, their limits and margins, and the blocks at which they apply."""
