r"""Networks written by hand: one row per layer, in CSV or TOML, becomes a workload that can be priced.

In a CSV file the columns from ``kernel`` to ``width`` may be missing where no row needs them; blank lines and lines
that begin with ``#`` are skipped::

    steps,4
    kind,in,out,kernel,stride,groups,height,width,rate
    conv,3,64,3,1,1,32,32,1
    conv,64,128,3,1,1,16,16,0.2;0.15;0.1;0.1
    linear,8192,10,,,,,,0.1

==================== ===================================================================================
kind                 conv, or linear (fully connected)
in, out              channels of a convolution, values of a linear layer
kernel, stride       one number, or height x width such as 3x5; a convolution needs a kernel, the stride is 1
groups               1 if empty; as many as channels for a depthwise convolution
height, width        of the layer's *own output, before pooling*; a convolution needs both
rate                 share of its inputs that are not zero: one number, or one per timestep separated by ``;``
name                 conv1, conv2, linear3, ... by position if absent
after                the earlier layer that it reads, if that is not the one above: for shortcuts of residual networks
weight_bits, ...     weight_bits, state_bits, input_bits: 1 to 32; the caller's defaults if absent
lateral              none, broadcast or matrix: lateral inhibition
once_per_inference   true if the layer sees an image that does not change and is computed once
==================== ===================================================================================

Above the header stand settings, where wanted: ``name``, ``steps`` (1 if neither this nor a row with several rates says
more), ``exit_histogram`` (how many samples left after step 1, 2, ..., T, separated by ``;``), ``samples`` (what these
counts must sum to) and ``final_rate``.

TOML has the same settings and keys, the latter in one ``[[layer]]`` table each.

**What a table cannot say is assumed.** Active inputs are spread evenly, so a share ``rate`` of the unfolded inputs
is active too; zero padding counts as if it were as active as the rest, which makes it an upper estimate. A layer's
neurons fire at the rate of the layer that reads it, those of the last layer at ``final_rate`` (0: a read-out that only
accumulates). Neurons come before pooling. The input map has the size of the output times the stride. All samples are
alike: those still running are as active as all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from spikewise._table_layers import table_parts
from spikewise.workload import Workload

__all__ = ["read_layer_table"]


def read_layer_table(
    path: str | os.PathLike[str],
    *,
    n_steps: int | None = None,
    exit_histogram: Sequence[int] | None = None,
    final_rate: float | None = None,
    weight_bits: int = 8,
    state_bits: int = 16,
    input_bits: int = 1,
) -> Workload:
    r"""Read a network that was written by hand.

    Parameters
    ----------
    path : path
        A file that ends in ``.csv`` or ``.toml``.
    n_steps : int, optional
        Timesteps. If absent: the file's ``steps``, else as many as a row has rates, else as many as the histogram has
        counts, else 1.
    exit_histogram : sequence of int, optional
        How many samples left after step 1, 2, ..., T, instead of the file's; all at the last step if neither says so.
    final_rate : float, optional
        Firing rate of the last layer, instead of the file's; 0 if neither says so.
    weight_bits, state_bits, input_bits : int
        Precision of a layer that states none itself, 1 to 32.

    Raises
    ------
    ParameterError
        If a number of bits is impossible.
    DataError
        If the table, or what was given instead of its settings, is wrong; the message names file, line and key.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "toy.csv")
    ...     _ = path.write_text("kind,in,out,rate\nlinear,64,32,0.5;0.25\nlinear,32,10,0.125\n")
    ...     load = read_layer_table(path, weight_bits=4)
    >>> load.n_steps, load.activity[0].in_spikes, load.activity[0].out_spikes
    (2, (32.0, 16.0), (4.0, 4.0))
    """
    given = {"steps": n_steps, "exit_histogram": exit_histogram, "final_rate": final_rate}
    bits = {"weight_bits": weight_bits, "state_bits": state_bits, "input_bits": input_bits}
    return Workload(**table_parts(path, given, bits))
