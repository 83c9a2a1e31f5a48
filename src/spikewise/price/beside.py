"""Which platforms must be seen beside one another: a calibrated chip never stands alone.

A platform whose absolute scale is fitted, and not known, names in ``beside`` another one whose figures mean more. Every
table and every file of figures that shows the first shows the second too.
"""

from __future__ import annotations

from typing import Any


def companions_of(*platforms: Any) -> list[str]:
    """Names of the platforms that are shown beside these, each once, and none that is there already.

    Parameters
    ----------
    *platforms : Platform
        Platforms that were asked for, in their order.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> companions_of(load_platform("rram-64-32nm"))
    ['rram-64-32nm-physical']
    >>> companions_of(load_platform("rram-64-32nm"), load_platform("rram-64-32nm-physical"))
    []
    """
    asked = {platform.name for platform in platforms}
    wanted = dict.fromkeys(getattr(platform, "beside", None) for platform in platforms)
    return [name for name in wanted if name is not None and name not in asked]
