"""Encode numbers as spike trains, and decode spikes into class scores."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".decode": "DECODERS class_counts evidence_of naive_bayes_evidence neuron_classes proportion_evidence "
        "votes_evidence",
        ".encode": "direct_encode poisson_encode",
        ".streams": "spike_shares",
    },
)
