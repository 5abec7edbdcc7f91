"""The looks of the pictures: colours, sizes, fonts; and a picture, saved."""

import contextlib
import textwrap
import unicodedata
import warnings

import numpy as np

from lab.screen import matplotlib  # isort: skip  (before all that imports it)
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from lab.console import ForeseenError
from lab.files import written_whole

# Okabe, Ito 2008: told apart by colour-blind readers too.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
BLUE, RED, GREEN = COLOURS[:3]
MEDIAN = COLOURS[4]
# A picture of this many inches is as wide as a page, and its text is as large as the page's.
WIDTH = 6.7
TITLE_SIZE = 9
STYLE = {
    "savefig.dpi": 150,
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a "$" in a name is a "$"
    "figure.titlesize": TITLE_SIZE,
    "figure.labelsize": 7.5,
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlepad": 3,
    "axes.labelpad": 2,
    "axes.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "lines.markersize": 4,
    "xtick.labelsize": 7,
    "xtick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.labelsize": 7,
    "ytick.major.size": 2,
    "ytick.major.pad": 2,
}
BEHAVIOUR = {"backend", "backend_fallback", "interactive"}  # the reader's choice, on a screen
# Fonts with Chinese characters, the best ones first. Others are left out: matplotlib cannot draw
# with every font that it lists.
CHINESE_FONTS = [
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC"),
    *("Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Heiti TC", "STHeiti"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "SimSun", "Noto Serif CJK SC"),
    *("Songti SC", "Droid Sans Fallback", "AR PL UMing CN", "Arial Unicode MS", "Unifont"),
    *("Yu Gothic", "MS Gothic", "IPAexGothic", "Malgun Gothic", "NanumGothic"),
]


@contextlib.contextmanager
def plain_style():
    """While a picture is drawn: matplotlib's defaults and STYLE, no matplotlibrc."""
    defaults = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if name not in BEHAVIOUR
    }
    settings = defaults | STYLE | {"font.family": choose_fonts()}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # A character that no font has is a box.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def choose_fonts():
    """matplotlib's own font, and the first one of this machine for the Chinese that it lacks."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in CHINESE_FONTS if name in installed][:1]]


def new_figure(**style):
    """A figure that Agg measures and draws."""
    figure = Figure(**{"figsize": (WIDTH, 2.8)} | style)
    FigureCanvasAgg(figure)
    return figure


def wrap(text, characters):
    """`text` in lines of at most `characters`, half as many of Chinese, and four from each line."""
    lines = text.split("\n")
    if count_columns(text) > max(map(len, lines)):
        characters //= 2
    style = {"width": max(characters, 5), "max_lines": 4, "placeholder": " ..."}
    return "\n".join(textwrap.fill(line, **style) for line in lines)


def count_columns(text):
    """How wide the widest line of a text is in letters; one as wide as Chinese counts as two."""
    return max(
        sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line)
        for line in text.split("\n")
    )


def count_lines(text):
    """How many lines a text has."""
    return text.count("\n") + 1


def spread_evenly(count):
    """Places for `count` dots across a row of height 1, evenly; 0 is its middle."""
    apart = min(0.16, 0.8 / max(count, 1))
    return apart * (np.arange(count) - (count - 1) / 2)


def label_log_axis(axis):
    """A few round numbers on a logarithmic axis: powers of ten, if it has enough of them."""
    low, high = axis.get_view_interval()
    few = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    axis.set_major_locator(LogLocator(numticks=7) if high > 50 * low else few)
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def add_legend(figure, lines, **style):
    """A legend with the label of each of `lines`: matplotlib alone leaves out one like "_mine"."""
    labels = [line.get_label() for line in lines]
    figure.legend(lines, labels, loc="outside lower center", **style)


def choose_colours(count):
    """`count` colours that a colour-blind reader can tell apart; a scale where they are many."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.95, count))


def say_error(error):
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


class PictureError(ForeseenError):
    """A result that cannot be drawn; the message is one line for the reader."""


def save_picture(draw, result, path):
    """Draw a result into the file `path`, whole or not at all; PictureError if it is impossible."""
    with plain_style():
        figure = new_figure()
        try:
            draw(figure, result)
        except Exception as error:
            raise PictureError(f"{path.name} cannot be drawn ({say_error(error)})") from error
        with written_whole(path) as aside:
            figure.savefig(aside, format="png")
