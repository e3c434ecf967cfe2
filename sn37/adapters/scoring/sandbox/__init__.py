"""What keeps a worker in its place, by system calls alone: namespaces, Landlock, seccomp, limits.

``sandbox`` says what a host offers, ``probe`` finds out, ``confine`` applies it in the worker.
"""
