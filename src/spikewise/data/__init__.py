"""Where samples come from: pictures with labels, split by content, fetched once and checked."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "ImageSet": ".images",
        "load_images": ".images",
        "load_splits": ".images",
        "stratified_folds": ".splits",
        "stratified_holdout": ".splits",
    },
)
