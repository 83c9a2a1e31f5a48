"""Numbers to spike trains, and spikes to class scores."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "DECODERS": ".decode",
        "class_counts": ".decode",
        "direct_encode": ".encode",
        "evidence_of": ".decode",
        "naive_bayes_evidence": ".decode",
        "neuron_classes": ".decode",
        "poisson_encode": ".encode",
        "proportion_evidence": ".decode",
        "spike_shares": ".streams",
        "votes_evidence": ".decode",
    },
)
