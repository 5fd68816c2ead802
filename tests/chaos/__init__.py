"""Jobs while servers, workers and databases are killed: a short run as a test, a long one by a command."""
