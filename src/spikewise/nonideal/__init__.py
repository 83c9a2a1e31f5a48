"""Networks on non-ideal crossbars: accuracy and early exit with real cells, wires and converters."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".network": "CrossbarDesign clip_share design_crossbars on_crossbars",
        ".settings": "Nonideal",
        ".study": "StudyRow chip_traces study_chips",
    },
)
