"""The journal's store in SQLite or PostgreSQL. What works with a database is imported on the first call."""

from app.adapters.store.sql import SqlStore

__all__ = ["SqlStore"]
