"""Data sets: images and event recordings with labels, downloaded, checked and split by content."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".augmentation": "Augmentation",
        ".binning": "Binning",
        ".catalog.sources": "open_source",
        ".events": "EventSet load_events",
        ".formats.event_checks": "EVENT",
        ".frames": "arriving_frames bin_events",
        ".images": "ImageSet load_images load_splits",
        ".splits": "stratified_folds stratified_holdout",
    },
)
