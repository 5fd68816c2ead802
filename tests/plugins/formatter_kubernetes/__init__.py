"""The Kubernetes formatter."""
