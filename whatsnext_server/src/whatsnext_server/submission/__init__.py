"""Jobs as they are sent: one, or a batch that is all or nothing."""
