"""The stable public face of the WhatsNext server."""
