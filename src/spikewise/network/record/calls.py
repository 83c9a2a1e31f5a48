"""Calls of one module: their layout over timesteps and samples, and whether their inputs were equal."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikewise.errors import ParameterError


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Layout of a batch over timesteps and samples.

    Parameters
    ----------
    n_steps, n_samples : int
        T and B.
    time_first : bool
        Whether time comes before the samples where a layer sees all steps in one call.
    """

    n_steps: int
    n_samples: int
    time_first: bool = True

    def is_stepwise(self, lead: tuple[int, ...]) -> bool:
        """Whether leading sizes are those of one step: (B, ...) or (1, B, ...)."""
        return lead[0] == self.n_samples or lead[:2] == (1, self.n_samples)

    def is_whole(self, lead: tuple[int, ...]) -> bool:
        """Whether leading sizes are those of all steps: (T B, ...) or (T, B, ...)."""
        both = (self.n_steps, self.n_samples) if self.time_first else (self.n_samples, self.n_steps)
        return lead[0] == self.n_steps * self.n_samples or lead[:2] == both


@dataclass(slots=True, eq=False)
class Calls:
    """Counts of the calls of one module in the current batch, each a flat tensor over its leading sizes."""

    leads: list[tuple[int, ...]] = field(default_factory=list)
    counts: list[Tensor] = field(default_factory=list)

    def add(self, lead: tuple[int, ...], counts: Tensor) -> None:
        """Remember one call."""
        self.leads.append(lead)
        self.counts.append(counts)

    def by_step(self, what: str, timing: Timing) -> Tensor:
        """Return counts (T, B), or (1, B) if there was one call without a time axis."""
        n_steps, n_samples = timing.n_steps, timing.n_samples
        # First: with a single step, one call is both that of a step and that of all steps.
        if len(self.leads) == n_steps and all(map(timing.is_stepwise, self.leads)):
            return torch.stack([counts.reshape(n_samples, -1).sum(1) for counts in self.counts])
        if len(self.leads) != 1:
            raise ParameterError(
                f"{what} must run once per step ({n_steps}), or once for all of them; got {len(self.leads)} runs. "
                "Set n_steps to the steps that the network runs; give a module that is used in several places a copy "
                "for each."
            )
        lead, counts = self.leads[0], self.counts[0]
        if timing.is_whole(lead):
            flat = counts.reshape(n_steps * n_samples, -1).sum(1)
            return flat.reshape(n_steps, n_samples) if timing.time_first else flat.reshape(n_samples, n_steps).T
        if lead[:2] in ((n_steps, n_samples), (n_samples, n_steps)):
            raise ParameterError(
                f"{what} must see time {'before' if timing.time_first else 'after'} the samples; got a tensor "
                f"{lead[:2]} for {n_steps} steps of {n_samples} samples. Set time_first={not timing.time_first}."
            )
        if timing.is_stepwise(lead):
            return counts.reshape(1, n_samples, -1).sum(2)
        raise ParameterError(
            f"{what} must see {n_samples} samples per step, or {n_steps} times as many at once; got leading sizes "
            f"{lead}. Keep samples along the first axis, or time and then samples."
        )


@dataclass(slots=True, eq=False)
class Repetition:
    """Whether a layer read the same values at every step of every batch, from call to call and within a call.

    An image that drives the first neurons is often convolved again at each step, with the same result. The recorded
    workload must not depend on how such a loop is written.
    """

    between_calls: bool = True
    within_calls: bool = True
    is_silent: bool = True
    _first: Tensor | None = None

    def begin_batch(self) -> None:
        """Forget the first input of the last batch."""
        self._first = None

    def see(self, x: Tensor, lead: tuple[int, ...], timing: Timing) -> None:
        """Compare the input of a call with that of the first of its batch, and its steps with each other."""
        self.is_silent = self.is_silent and not bool(x.any())
        if self.between_calls and self._first is None:
            self._first = x.clone()  # a copy: the caller may write the next frame into the same memory
        elif self.between_calls:
            self.between_calls = torch.equal(self._first, x)  # type: ignore[arg-type]
        # Once an input differs, the copy is no longer needed.
        if not self.between_calls:
            self._first = None
        if self.within_calls and timing.is_whole(lead):
            n_steps, n_samples = timing.n_steps, timing.n_samples
            flat = x.reshape(n_steps, n_samples, -1) if timing.time_first else x.reshape(n_samples, n_steps, -1)
            first = flat[:1] if timing.time_first else flat[:, :1]
            self.within_calls = bool((flat == first).all())

    def over_steps(self, n_calls: int, timing: Timing) -> bool:
        """Whether the inputs of all steps were equal; false for a silent layer and for a single step."""
        alike = self.within_calls if n_calls == 1 else self.between_calls
        return alike and not self.is_silent and timing.n_steps > 1
