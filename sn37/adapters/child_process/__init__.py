"""Work that can be killed: in its own process, which takes all processes it started with it."""
