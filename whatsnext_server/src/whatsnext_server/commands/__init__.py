"""The commands of ``whatsnext-server``, one module each."""
