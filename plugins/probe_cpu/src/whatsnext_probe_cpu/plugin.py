"""The plugin module that the `probe-cpu` entry point names."""
