"""Jobs of WhatsNext as local processes."""
