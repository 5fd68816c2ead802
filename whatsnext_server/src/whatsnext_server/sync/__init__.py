"""The worker protocol: what clients report, and requests that wait for jobs."""
