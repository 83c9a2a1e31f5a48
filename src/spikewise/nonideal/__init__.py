"""Networks on imperfect crossbars: how accuracy and early exit fare with cells, wires and converters as they are."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CrossbarDesign": ".network",
        "Nonideal": ".settings",
        "StudyRow": ".study",
        "chip_traces": ".study",
        "clip_share": ".network",
        "design_crossbars": ".network",
        "on_crossbars": ".network",
        "study_chips": ".study",
    },
)
