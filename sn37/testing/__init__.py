"""Fakes, builders and contract tests, shipped for authors of plug-ins."""
