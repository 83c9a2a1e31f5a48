"""A resistive crossbar by Kirchhoff's current law at every node: slow and obvious."""

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve


def ladder_currents(conductances, volts, wire_ohm):
    """Currents (m,) out of the columns of a crossbar of cells (n, m), with wires of wire_ohm between cells.

    Each cell joins a node of its row to a node of its column. Rows are driven on the left through one wire, columns
    end in ground at the bottom behind one wire.
    """
    n, m = conductances.shape
    if wire_ohm == 0:
        return volts @ conductances
    wire = 1 / wire_ohm
    where, what, known = [], [], np.zeros(2 * n * m)

    def row(i, j):
        return i * m + j

    def column(i, j):
        return n * m + i * m + j

    def join(a, b, siemens):
        """Put a resistor between two nodes; node None is ground."""
        for here, there in ((a, b), (b, a)):
            if here is not None:
                where.append((here, here))
                what.append(siemens)
                if there is not None:
                    where.append((here, there))
                    what.append(-siemens)

    for i in range(n):
        for j in range(m):
            join(row(i, j), column(i, j), conductances[i, j])
            if j == 0:
                join(row(i, 0), None, wire)
                known[row(i, 0)] += wire * volts[i]
            else:
                join(row(i, j - 1), row(i, j), wire)
            join(column(i, j), column(i + 1, j) if i + 1 < n else None, wire)
    places = tuple(np.array(where).T)
    nodes = spsolve(csc_array((what, places), shape=(2 * n * m, 2 * n * m)), known)
    return nodes[column(n - 1, 0) :] * wire
