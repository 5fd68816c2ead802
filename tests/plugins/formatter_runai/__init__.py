"""The Run:ai formatter."""
