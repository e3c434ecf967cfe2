"""The preset for finney, run against a chain, a hub and a wandb of our own on this machine.

``python -m tests.rehearsal.run`` runs it. Needs the extras ``validator`` and ``dev``.
"""
