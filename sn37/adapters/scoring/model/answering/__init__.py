"""Generation of answers: keys and values, steps, and where an answer ends. Child side."""
