"""Numbers to spike trains, and spikes to class scores."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "class_counts": ".decode",
        "direct_encode": ".encode",
        "naive_bayes_evidence": ".decode",
        "poisson_encode": ".encode",
        "spike_shares": ".encode",
    },
)
