r"""Exit thresholds with a guarantee: accuracy falls by at most :math:`\varepsilon`, with confidence :math:`1 - \delta`.

Each calibration sample has two answers: that of the full run, and that at its exit. With :math:`p_{10}` the
probability that only the full run is right and :math:`p_{01}` that only the early answer is right, two statements can
be certified:

* ``drop``: the loss of accuracy :math:`p_{10} - p_{01}` is at most :math:`\varepsilon`;
* ``harm``: :math:`p_{10}` alone is at most :math:`\varepsilon`, which implies the first statement.

A rule passes at level :math:`\delta` on :math:`n` samples, with counts :math:`n_{10}` and :math:`n_{01}` of these two
kinds, if

.. math:: \text{harm:}\quad \Pr[\mathrm{Bin}(n, \varepsilon) \le n_{10}] \le \delta, \qquad
          \text{drop:}\quad U(n_{10}; \delta/2) - L(n_{01}; \delta/2) \le \varepsilon,

where U and L are one-sided Clopper-Pearson bounds, each at half of :math:`\delta` (a union bound). The path is fixed
beforehand. Its rules are tested from the strictest on, each at the full level, until the first one fails; the last one
that passed is kept. A rule that breaks the statement can be kept only if the first such rule of the path passes, which
happens with probability at most :math:`\delta`, however long the path is (Learn then Test with a fixed sequence,
Angelopoulos et al., arXiv 2110.01052). The statement holds for future samples from the distribution of the calibration
samples, and for one network on one engine: the certificate names weights, engine, precision and kind of device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from spikewise._arguments import checks_arguments
from spikewise._choices import Form
from spikewise._gates import as_numbers
from spikewise.dynamic.calibration import calibrate
from spikewise.dynamic.curve import ExitCurve, exit_curve
from spikewise.dynamic.rule import rule_from_dict, rule_to_dict
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import DataError, ParameterError

from .exit_path import ExitPath
from .uncertainty import UncertaintyExit

FORMS: tuple[Form, ...] = ("drop", "harm")
_COUNTS = ("n_samples", "n_needed", "n_harmed", "n_helped")
_SHARES = ("max_drop", "confidence", "accuracy_full", "accuracy_exit")


@dataclass(frozen=True, slots=True)
class Certificate:
    """An exit rule and the guarantee that holds for it.

    Parameters
    ----------
    rule : UncertaintyExit
        The rule.
    kind : {"guarantee", "heuristic"}
        A heuristic promises nothing: there were fewer than ``n_needed`` samples.
    form : {"drop", "harm"}
        The bounded quantity.
    conditional : bool
        Whether the bound also holds among the samples that leave by step t, for every t.
    max_drop, confidence : float
        The bound, as a fraction, and the probability with which it holds.
    n_samples, n_needed : int
        Number of calibration samples, and the smallest number with which a rule without any error passes.
    n_harmed, n_helped : int
        Samples that only the full run got right, and that only the early answer got right.
    accuracy_full, accuracy_exit, mean_steps : float
        Figures on the calibration samples.
    identity : mapping of str to str
        Hashes of network and data, engine, precision, platform. If one of these changes, the certificate is void.
    """

    rule: UncertaintyExit
    kind: Literal["guarantee", "heuristic"]
    form: Form
    conditional: bool
    max_drop: float
    confidence: float
    n_samples: int
    n_needed: int
    n_harmed: int
    n_helped: int
    accuracy_full: float
    accuracy_exit: float
    mean_steps: float
    identity: Mapping[str, str] = field(default_factory=dict)

    @checks_arguments
    def check(self, identity: Mapping[str, str]) -> None:
        """Raise DataError, which names what changed, unless the certificate belongs to the network in use.

        Parameters
        ----------
        identity : mapping of str to str
            Identity of the network in use. Every entry of the certificate must be there and equal, except for "data",
            which names the calibration samples.
        """
        if not self.identity.keys() - {"data"}:
            raise DataError("the certificate is void: it does not say what it was found on. Calibrate again.")
        for key in sorted(self.identity.keys() - {"data"}):
            if self.identity[key] != identity.get(key):
                raise DataError(
                    f"the certificate is void: its {key} is {self.identity[key]}, and that in use is "
                    f"{identity.get(key, 'unknown')}. Calibrate again on what is in use."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "rule": rule_to_dict(self.rule), "identity": dict(self.identity)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Certificate:
        """Inverse of :meth:`to_dict`; raises DataError if an entry is missing or unknown."""
        try:
            rule = rule_from_dict(raw["rule"])
            found = cls(**{**raw, "rule": rule})
            # The constructor checks no types, and the file may have been written by hand.
            is_whole = all(isinstance(getattr(found, key), int) and getattr(found, key) >= 0 for key in _COUNTS)
            is_said = found.kind in ("guarantee", "heuristic") and found.form in FORMS
            is_share = all(0 <= getattr(found, key) <= 1 for key in _SHARES)
            is_named = all(isinstance(word, str) for pair in found.identity.items() for word in pair)
            if not (isinstance(rule, UncertaintyExit) and is_whole and is_said and is_share and is_named):
                raise ValueError("one of its values is none of those that it may have")
            return found
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, DataError) as error:
            raise DataError(f"the certificate has a missing, unknown or impossible entry; {error}.") from None


@checks_arguments
def samples_needed(max_drop: float, confidence: float = 0.95, form: Form = "drop") -> int:
    """Return the smallest number of samples with which a rule passes that neither harms nor helps any of them.

    With fewer samples, only a rule that helps more samples than it harms could pass, so no rule is tested.

    Examples
    --------
    >>> samples_needed(0.005, form="harm"), samples_needed(0.01, form="harm"), samples_needed(0.01)
    (598, 299, 368)
    """
    delta = _level(max_drop, confidence, form)
    # Both tests with counts of 0 ask for (1 - max_drop)^n <= delta, or <= delta / 2 for the union bound of "drop".
    return math.ceil(math.log(delta if form == "harm" else delta / 2) / math.log1p(-max_drop))


@checks_arguments
def certify(
    trace: ScoreTrace,
    path: ExitPath | None = None,
    *,
    max_drop: float,
    confidence: float = 0.95,
    form: Form = "drop",
    conditional: bool = False,
    identity: Mapping[str, str] | None = None,
) -> Certificate:
    """Find the loosest rule of a path for which a loss of accuracy can be ruled out.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of calibration samples, with labels: from the distribution of the samples in use, and not used for
        training, for the choice of an epoch, for temperatures, or for the path.
    path : ExitPath, optional
        Rules to test, fixed before any of these samples was seen; by default, entropy of the mean scores with 161
        bounds.
    max_drop : float
        Tolerated loss, as a fraction in (0, 1).
    confidence : float
        Probability, over the draw of the calibration samples, that the statement is true; in (0, 1).
    form : {"drop", "harm"}
        The bounded quantity; see the module's docstring.
    conditional : bool
        Whether to bound it also among the samples that have left by step t, for every t at which samples may leave. If
        none of them has left by such a step, the rule fails, so use :meth:`ExitPath.enabling` for the path.
    identity : mapping of str to str, optional
        Identity of the network and the data of the scores, for :meth:`Certificate.check`.

    Returns
    -------
    Certificate
        Its rule never stops early if even the strictest one fails; it is a heuristic if there are too few samples.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(2, size=2000)
    >>> margin = rng.normal(3, 1, 2000) * (2 * labels - 1)
    >>> trace = ScoreTrace.dense(np.cumsum([np.stack([-margin, margin], 1)] * 3, 0), labels)
    >>> found = certify(trace, max_drop=0.01)
    >>> found.kind, found.mean_steps, found.n_needed
    ('guarantee', 1.0, 368)
    """
    needed = samples_needed(max_drop, confidence, form)
    path = ExitPath.of() if path is None else path
    if trace.n_samples < needed:
        rule: UncertaintyExit = calibrate(trace, path, max_drop=max_drop).rule
    else:
        passed = passes(exit_curve(trace, path), max_drop, confidence, form, conditional=conditional)
        place = last_passed(passed)
        rule = path.rules[place] if place >= 0 else path.rules[0].never()
    found = exit_curve(trace, ExitPath((rule,)))
    return Certificate(
        rule, "guarantee" if trace.n_samples >= needed else "heuristic", form, conditional, max_drop, confidence,
        trace.n_samples, needed, int(found.n_harmed[0]), int(found.n_helped[0]), found.accuracy_full,
        float(found.accuracy[0]), float(found.mean_steps[0]), dict(identity or {}),
    )  # fmt: skip


def passes(
    curve: ExitCurve, max_drop: float, confidence: float, form: Form = "drop", *, conditional: bool = False
) -> NDArray[np.bool_]:
    """Tell which rules (M,) of a curve pass, each tested alone at the full level."""
    delta = _level(max_drop, confidence, form)
    if not conditional:
        return rules_out(curve.n_harmed, curve.n_helped, curve.n_samples, max_drop, delta, form)
    # Counts of all samples that have left by step t, shape (M, T).
    left, harmed, helped = (counts.cumsum(1) for counts in (curve.exits, curve.harmed, curve.helped))
    may_leave = np.maximum.accumulate(curve.path.bounds(curve.n_steps) > 0, axis=1)
    may_leave[:, -1] = True
    # An intersection-union test: each step is a hypothesis, and all must be rejected, so each has the full level.
    return np.asarray((rules_out(harmed, helped, left, max_drop, delta, form) | ~may_leave).all(1))


@checks_arguments
def rules_out(
    n_harmed: ArrayLike, n_helped: ArrayLike, n_samples: ArrayLike, max_drop: float, delta: float, form: Form = "drop"
) -> NDArray[np.bool_]:
    """Whether counts exclude a loss above ``max_drop`` at level ``delta``: the two tests of the module's docstring.

    Examples
    --------
    >>> rules_out(0, 0, [298, 299], 0.01, 0.05, "harm").tolist()
    [False, True]
    """
    harmed, helped, n = (as_numbers(each, "counts", 0).astype(np.float64) for each in (n_harmed, n_helped, n_samples))
    if form == "harm":
        return np.asarray(binom.cdf(harmed, n, max_drop) <= delta)
    # Clopper-Pearson bounds are quantiles of the beta distribution. If all are harmed or none is helped, a parameter
    # would be 0 and the quantile NaN, hence np.maximum; np.where then takes the trivial bound.
    highest = np.where(harmed < n, beta.ppf(1 - delta / 2, harmed + 1, np.maximum(n - harmed, 1)), 1.0)
    lowest = np.where(helped > 0, beta.ppf(delta / 2, np.maximum(helped, 1), n - helped + 1), 0.0)
    return np.asarray(highest - lowest <= max_drop)


def last_passed(passed: ArrayLike) -> int:
    """Return the index of the last rule before the first one that fails; -1 if the first rule fails.

    Examples
    --------
    >>> last_passed([True, True, False, True]), last_passed([False, True])
    (1, -1)
    """
    return int(np.argmin(np.append(as_numbers(passed, "passed", ndim=1) != 0, False))) - 1


def _level(max_drop: float, confidence: float, form: str) -> float:
    if not 0 < max_drop < 1:
        raise ParameterError(f"max_drop must be a fraction in (0, 1); got {max_drop}. 0.005 means half a point.")
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence must lie in (0, 1); got {confidence}. 0.95 is usual.")
    if form not in FORMS:
        raise ParameterError(f"form must be 'drop' or 'harm'; got {form!r}.")
    return 1 - confidence
