"""Where samples come from: pictures and event recordings with labels, split by content, fetched once and checked."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Binning": ".frames",
        "EventSet": ".events",
        "ImageSet": ".images",
        "load_events": ".events",
        "load_images": ".images",
        "load_splits": ".images",
        "stratified_folds": ".splits",
        "stratified_holdout": ".splits",
    },
)
