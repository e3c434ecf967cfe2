"""Scoring of models in a worker process on one device."""
