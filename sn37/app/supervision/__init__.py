"""Supervision of a validator: deadlines, health, restarts and stopping."""
