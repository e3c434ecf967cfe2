"""Reading, checking and showing the schedule."""
