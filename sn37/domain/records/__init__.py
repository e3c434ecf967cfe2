"""What a validator signs, and what it keeps of the past."""
