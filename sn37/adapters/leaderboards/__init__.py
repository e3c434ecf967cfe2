"""Leaderboards of other machines, read over HTTP."""
