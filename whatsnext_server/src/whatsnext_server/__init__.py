"""The server of WhatsNext."""
