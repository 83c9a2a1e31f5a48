"""Run folders: everything that belongs to one trained network; their files are written and read here."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CHOICE_FILE": ".exit_folder",
        "COST_FILE": ".exit_folder",
        "ChoiceRecord": ".exit_record",
        "EXIT_FILE": ".exit_folder",
        "ExitFolder": ".exit_folder",
        "ExitRecord": ".exit_record",
        "ExitSettings": ".exit_settings",
        "GALLERY_FILE": ".exit_folder",
        "Gallery": ".gallery",
        "MODEL_FILE": ".folder",
        "PICTURES": ".folder",
        "Run": ".folder",
        "RunContents": ".contents",
        "TRACE_FILE": ".folder",
        "WORKLOAD_FILE": ".exit_folder",
        "as_plain": ".results",
        "find_runs": ".folder",
        "folder_lock": ".folder",
        "write_json": ".._files",
    },
)
