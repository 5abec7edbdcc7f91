"""Fonts of this machine for characters that matplotlib's own font lacks, such as Chinese."""

import contextlib
import functools
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"
# Fonts with Chinese characters, the best ones first; then Japanese and Korean ones. Other fonts are
# left out: matplotlib cannot draw with every font that it lists.
FAMILIES = [
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN"),
    *("Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "Heiti TC", "STHeiti"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "DengXian", "SimSun", "NSimSun"),
    *("Noto Sans CJK TC", "Noto Sans TC", "Microsoft JhengHei", "PingFang TC", "PingFang HK"),
    *("Noto Sans CJK JP", "Noto Sans JP", "Noto Sans CJK KR", "Noto Sans KR", "Source Han Sans"),
    *("Noto Serif CJK SC", "Noto Serif SC", "Source Han Serif SC", "Songti SC", "STSong"),
    *("Droid Sans Fallback", "AR PL UMing CN", "AR PL UKai CN", "Arial Unicode MS", "Unifont"),
    *("Yu Gothic", "Meiryo", "MS Gothic", "Hiragino Sans", "IPAexGothic", "IPAGothic"),
    *("Malgun Gothic", "Apple SD Gothic Neo", "NanumGothic"),
]


def choose_fonts(text):
    """The families that draw `text`: matplotlib's own, and this machine's for what it lacks."""
    return [OWN, *find_fonts(frozenset(text) - own_characters())]


@functools.cache
def own_characters():
    """The characters of matplotlib's own font, and those that are not drawn."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return frozenset(map(chr, [*range(32), *FT2Font(path).get_charmap()]))


@functools.cache
def find_fonts(characters):
    """Those of FAMILIES that have `characters` together; some may be left that none has."""
    if not characters:
        return []
    add_new_fonts()
    entries = {}
    for entry in font_manager.fontManager.ttflist:
        entries.setdefault(entry.name, entry)
    families = []
    missing = set(characters)
    for family in FAMILIES:
        if missing and family in entries:
            found = missing & list_characters(entries[family])
            if found:
                families.append(family)
                missing -= found
    return families


@functools.cache
def add_new_fonts():
    """Tell matplotlib of the fonts that were installed after it listed them, at its first use."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            with contextlib.suppress(Exception):  # one that cannot be read is not used
                font_manager.fontManager.addfont(path)


def list_characters(entry):
    """The characters of a font in matplotlib's list, none where its file is gone."""
    try:
        return set(map(chr, FT2Font(entry.fname, face_index=entry.index).get_charmap()))
    except (OSError, RuntimeError):
        return set()
