"""Models, tokenizers and losses. Shared by scoring and training."""
