"""The plugin module that the `formatter-cli` entry point names."""
