"""Checks of a machine and its accounts, each with its remedy."""
