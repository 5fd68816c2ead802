"""The plugin module that the `storage-sql` entry point names."""
