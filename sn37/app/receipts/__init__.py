"""Signed receipts and statements: writing, reading and publishing."""
