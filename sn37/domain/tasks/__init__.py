"""Tasks that are generated: questions with right answers, and the checks of answers."""
