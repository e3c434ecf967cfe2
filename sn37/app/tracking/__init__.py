"""Rounds as rows of an experiment tracker, such as wandb."""
