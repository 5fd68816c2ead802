"""The stable public face of the WhatsNext client library."""
