"""Rounds that a validator missed, scored later."""
