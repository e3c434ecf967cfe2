"""Models, tokenizers and losses, shared by scoring and training."""
