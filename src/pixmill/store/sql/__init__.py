"""The catalog in a database of SQL, by SQLAlchemy Core: nothing here is SQLite's but `sqlite`."""
