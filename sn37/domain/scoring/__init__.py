"""Scoring: jobs, losses, controls, deadlines and second opinions."""
