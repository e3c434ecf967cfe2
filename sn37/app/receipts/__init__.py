"""Signed receipts and statements: written, read, published."""
