"""Networks on imperfect crossbars: how accuracy and early exit fare with cells, wires and converters as they are."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".network": "CrossbarDesign clip_share design_crossbars on_crossbars",
        ".settings": "Nonideal",
        ".study": "StudyRow chip_traces study_chips",
    },
)
