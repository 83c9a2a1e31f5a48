"""Small trained networks that ship with the package, each with a card of its training and its results."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".card": "ModelCard",
        ".load": "FOLDER load_card load_exits load_model load_monitor load_rule model_names",
    },
)
