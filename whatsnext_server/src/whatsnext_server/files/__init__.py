"""Files of jobs, on their way in and out."""
