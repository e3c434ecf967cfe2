"""Actors that run concurrently in a validator, one module for each."""
