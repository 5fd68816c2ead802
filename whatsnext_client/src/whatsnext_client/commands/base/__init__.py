"""What all commands share: options, the session with the server, output, failures and how values are written."""
