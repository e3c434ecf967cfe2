"""Signed receipts and statements, and the pruning of old history."""
