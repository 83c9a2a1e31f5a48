"""Workloads: layers of a network, their measured activity and counted operations, as plain data."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".layer": "LayerActivity LayerShape",
        ".metrics": "Metrics count_metrics in_spike_share",
        ".operations": "OperationCounts Operations",
        ".table": "read_layer_table read_workload",
        ".workload": "Workload uniform_workload",
    },
)
