"""Confinement of a worker by system calls alone: namespaces, Landlock, seccomp, limits.

``layers`` says what a host offers, ``probe`` finds out, ``confine`` applies it in the worker.
"""
