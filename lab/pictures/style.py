"""What the pictures have in common: colours, sizes, text and ticks."""

import contextlib
import logging
import math
import textwrap
import warnings

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lab.pictures.fonts import choose_fonts

# Okabe, Ito 2008: told apart by colour-blind readers too.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
BLUE, RED, GREEN = COLOURS[:3]
VERDICTS = {"holds": GREEN, "does not hold": RED, "depends on the seed": BLUE}  # others: black
PLACES = {"within": GREEN, "earlier": BLUE, "lower": BLUE, "later": RED, "higher": RED}
STYLE = {
    "savefig.dpi": 150,
    "figure.dpi": 150,  # text is measured at this: its width differs by a tenth at another
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
# Pictures of this many inches are as wide as a page, and their text is as large as the page's.
WIDTH = 6.7
TEXT_SIZE = 7.5
TITLE_SIZE = 9.5
SMALL = {
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "xtick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.labelsize": 7,
    "ytick.major.size": 2,
    "ytick.major.pad": 2,
}
MEDIAN = COLOURS[4]
LINE_HEIGHT = 0.145  # these are in inches
NEVER_WIDTH = 0.8


BEHAVIOUR = {"backend", "backend_fallback", "interactive"}  # the reader's choice, on a screen


@contextlib.contextmanager
def plain_style(text=""):
    """While a picture with `text` is drawn: matplotlib's defaults and STYLE, no matplotlibrc."""
    defaults = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if name not in BEHAVIOUR
    }
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    with (
        matplotlib.rc_context(defaults | STYLE | {"font.family": choose_fonts(text)}),
        warnings.catch_warnings(),
    ):
        # A character that no font has is a box, and a font without a bold face stays as it is.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def new_figure(**style):
    """A figure that Agg measures and draws."""
    figure = Figure(**style)
    FigureCanvasAgg(figure)
    return figure


def escape(text):
    """`text` so that matplotlib shows it as it stands: between two dollars it reads formulas."""
    return text.replace("$", r"\$")


def unescape(text):
    """What `escape` made of it, undone."""
    return text.replace(r"\$", "$")


def add_legend(figure, lines, **style):
    """A legend with the label of each of `lines`: matplotlib alone leaves out one like "_mine"."""
    labels = [line.get_label() for line in lines]
    figure.legend(lines, labels, loc="outside lower center", **style)


def choose_colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def measure_width(figure, text, **style):
    """The width of `text` in inches as `figure` would show it."""
    shown_text = figure.text(0, 0, text, **style)
    pixels = shown_text.get_window_extent().width
    shown_text.remove()
    return pixels / figure.dpi


# --- What pictures in inches have in common.


def add_axes(figure, left, top, width, height):
    """Axes of `width` and `height`, `left` and `top` from the figure's upper left, in inches."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = whole_height - top - height
    share = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(share)


def wrap_text(figure, text, width, **style):
    """Escaped `text` in lines of at most `width` inches; of each line of its own four at most."""
    lines = []
    for line in text.split("\n"):
        columns = len(line)
        broken = line
        while columns > 5 and measure_width(figure, broken, **style) > width:
            columns = int(0.95 * columns)
            filled = textwrap.fill(unescape(line), columns, max_lines=4, placeholder=" ...")
            broken = escape(filled)
        lines.append(broken)
    return "\n".join(lines)


def measure_height(text, size):
    """The height in inches that lines of `size` points take."""
    return 1.25 * size / 72 * (text.count("\n") + 1)


def choose_ticks(low, high, most):
    """At most `most` + 1 round numbers between `low` and `high`."""
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [tick for tick in ticks if low <= tick <= high]


def choose_log_ticks(low, high):
    """Round numbers between `low` and `high`, both above 0: powers of ten, or more where few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ([1], [1, 2, 5], [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]):
        ticks = [leads * 10.0**power for power in powers for leads in leading]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            break
    return ticks[:: math.ceil(len(ticks) / 7)] if ticks else []


class Scale:
    """The places of values between `low` and `high` on a line; "never", None, is beyond them all.

    `length` is the line's, in inches, with what `never_width` leaves for "never".
    """

    def __init__(self, low, high, length, never_width):
        self.low = low
        self.high = high
        self.end = length - never_width
        self.never = length - never_width / 2 if never_width else None

    def place(self, value):
        """The place of `value` in inches from the beginning of the line."""
        if value is None:
            return self.never
        if self.low == self.high:
            return self.end / 2
        return 0.1 + (self.end - 0.2) * (value - self.low) / (self.high - self.low)
