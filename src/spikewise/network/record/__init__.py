"""Record the workload of any torch network while it runs, layer by layer and step by step."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".record": "record_workload",
    },
)
