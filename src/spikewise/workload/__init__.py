"""What a network asks of hardware, as plain data: layers, their measured activity, counted operations."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "LayerActivity": ".layer",
        "LayerShape": ".layer",
        "Metrics": ".metrics",
        "OperationCounts": ".operations",
        "Operations": ".operations",
        "Workload": ".workload",
        "count_metrics": ".metrics",
        "in_spike_share": ".metrics",
        "read_layer_table": ".table",
        "read_workload": ".table",
        "uniform_workload": ".workload",
    },
)
