"""Run folders: everything that belongs to one trained network; their files are written and read here."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".._files": "write_json",
        ".contents": "RunContents",
        ".exit_folder": "ExitFolder",
        ".exit_record": "ChoiceRecord ExitRecord",
        ".exit_settings": "ExitSettings",
        ".folder": "Run find_runs folder_lock",
        ".gallery": "Gallery",
        ".names": "CHOICE_FILE COST_FILE EXIT_FILE GALLERY_FILE MODEL_FILE PICTURES TRACE_FILE WORKLOAD_FILE",
        ".results": "as_plain",
    },
)
