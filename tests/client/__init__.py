"""The client library and its worker, against a real server with real processes."""
