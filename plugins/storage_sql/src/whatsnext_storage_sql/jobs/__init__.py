"""Jobs: reading, submitting and changing them, and what a change means for others."""
