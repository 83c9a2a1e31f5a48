"""Where samples come from: pictures and event recordings with labels, split by content, fetched once and checked."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Augmentation": ".augmentation",
        "Binning": ".binning",
        "EVENT": ".formats.event_checks",
        "EventSet": ".events",
        "ImageSet": ".images",
        "arriving_frames": ".frames",
        "bin_events": ".frames",
        "load_events": ".events",
        "load_images": ".images",
        "load_splits": ".images",
        "open_source": ".catalog.sources",
        "stratified_folds": ".splits",
        "stratified_holdout": ".splits",
    },
)
