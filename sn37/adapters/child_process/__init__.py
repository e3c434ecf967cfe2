"""Work that must be killable: a process of its own, which takes all it started along."""
