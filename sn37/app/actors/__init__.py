"""What runs side by side in a validator: one module for each actor."""
