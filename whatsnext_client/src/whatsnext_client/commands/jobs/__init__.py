"""``whatsnext jobs``: submit jobs, follow them, and change their course."""
