"""Settings of operators, TOML files, and checks of what people type."""
