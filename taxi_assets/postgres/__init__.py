"""The PostgreSQL warehouse: the embedded server or a URL, the tables, and a month's load."""
