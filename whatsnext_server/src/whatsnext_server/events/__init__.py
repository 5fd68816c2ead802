"""Events on their way to whoever follows them, and to notifiers."""
