"""The client library, worker and command line of WhatsNext."""
