"""Model store and publisher on Hugging Face."""
