"""The CPUs and the memory that a WhatsNext worker may use."""
