"""The SQL adapters: one schema, portable between SQLite and PostgreSQL."""
