"""Fine-tuning a model on rows of the data sources."""
