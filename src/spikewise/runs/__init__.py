"""Run folders: everything that belongs to one trained network; their files are written and read here."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CHOICE_FILE": ".folder",
        "COST_FILE": ".folder",
        "EXIT_FILE": ".folder",
        "GALLERY_FILE": ".folder",
        "MODEL_FILE": ".folder",
        "PICTURES": ".folder",
        "Run": ".folder",
        "RunContents": ".contents",
        "TRACE_FILE": ".folder",
        "WORKLOAD_FILE": ".folder",
        "find_runs": ".folder",
        "folder_lock": ".folder",
        "write_json": ".._files",
    },
)
