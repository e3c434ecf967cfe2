"""The documents of the project, which are installed with the program."""
