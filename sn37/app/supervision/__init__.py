"""Keeping a validator alive: deadlines, health, stopping."""
