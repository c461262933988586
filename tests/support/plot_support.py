"""What a figure shows, read from the figure."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

mpl.use("agg")


def line(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Places and heights of the one line whose label begins so."""
    (found,) = (one for one in ax.get_lines() if str(one.get_label()).startswith(label))
    return np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)


def ticks(ax: Axes) -> list[str]:
    """The words on the vertical axis, from below."""
    return [text.get_text() for text in ax.get_yticklabels()]
