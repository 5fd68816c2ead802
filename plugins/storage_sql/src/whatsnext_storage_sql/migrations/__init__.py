"""The steps by which the schema came to be what it is; Alembic runs those that a database lacks."""
