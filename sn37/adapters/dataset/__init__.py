"""Sources of evaluation samples."""
