"""Simulations of the winner rule: how often luck wins, and how long merit takes. Needs numpy."""
