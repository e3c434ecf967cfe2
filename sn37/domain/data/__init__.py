"""Samples, draws, and the rules that leave rows out."""
