"""Simulations of the winner rule: how often luck wins, and how long better models need."""
