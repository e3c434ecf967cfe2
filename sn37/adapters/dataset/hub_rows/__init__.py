"""Rows of Parquet files on Hugging Face, at a pinned revision and chosen by the seed alone."""
