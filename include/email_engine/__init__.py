"""The core of email-engine: pure decisions, with I/O kept in `store` and `adapters`."""
