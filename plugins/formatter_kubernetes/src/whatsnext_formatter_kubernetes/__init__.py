"""Jobs of WhatsNext as jobs of a Kubernetes cluster."""

from whatsnext_formatter_kubernetes.formatter import KubernetesFormatter
from whatsnext_formatter_kubernetes.options import KubernetesOptions

__all__ = ["KubernetesFormatter", "KubernetesOptions"]
