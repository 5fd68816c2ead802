"""Jobs of WhatsNext as jobs of a Kubernetes cluster."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_formatter_kubernetes.formatter import KubernetesFormatter
    from whatsnext_formatter_kubernetes.options import KubernetesOptions

__all__ = ["KubernetesFormatter", "KubernetesOptions"]

__getattr__ = lazy_exports(__name__, {"KubernetesFormatter": "formatter", "KubernetesOptions": "options"})
