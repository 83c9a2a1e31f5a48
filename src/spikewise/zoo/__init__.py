"""Small trained networks that ship with the package, each with a card that says how it came about and what it does."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FOLDER": ".load",
        "ModelCard": ".card",
        "load_card": ".load",
        "load_model": ".load",
        "load_monitor": ".load",
        "load_rule": ".load",
        "model_names": ".load",
    },
)
