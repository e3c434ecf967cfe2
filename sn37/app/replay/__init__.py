"""Replay of a receipt: its model is scored again."""
