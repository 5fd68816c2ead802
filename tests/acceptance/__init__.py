"""What a team relies on, seen from outside: real server, real workers, real databases."""
