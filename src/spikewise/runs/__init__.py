"""Run folders: everything that belongs to one trained network; their files are written and read here."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".._files": "write_json",
        ".contents": "RunContents",
        ".exit_folder": "CHOICE_FILE COST_FILE EXIT_FILE ExitFolder GALLERY_FILE WORKLOAD_FILE",
        ".exit_record": "ChoiceRecord ExitRecord",
        ".exit_settings": "ExitSettings",
        ".folder": "MODEL_FILE PICTURES Run TRACE_FILE find_runs folder_lock",
        ".gallery": "Gallery",
        ".results": "as_plain",
    },
)
