"""The lines of ready jobs, and claims from them."""
