"""matplotlib, imported whatever the reader's environment says, and the reader's own screen.

This module is imported before matplotlib is: see `lab/style.py`.
"""

import contextlib
import logging
import os
import sys


def import_matplotlib():
    """matplotlib, imported though MPLBACKEND names a backend that is not installed.

    A notebook's kernel gives the name of its own to each process that it starts. matplotlib raises
    an error at such a name, and cannot be imported again after it.
    """
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    # No warnings in any worker: of a matplotlibrc, which pictures ignore, of folders, or of fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    backend = os.environ.pop("MPLBACKEND", "")
    import matplotlib

    if backend:
        os.environ["MPLBACKEND"] = backend
        # A name that is not known is left out: matplotlib looks for a screen itself.
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


matplotlib = import_matplotlib()


def open_window(**style):
    """A figure of pyplot's, to be shown on the reader's screen, or None where there is none."""
    try:
        from matplotlib import pyplot  # only here: it asks for the reader's backend
        from matplotlib.backends import BackendFilter, backend_registry

        name = matplotlib.get_backend().lower()
        shows = name not in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)
        if "inline" in name:  # a notebook's: it shows figures of its kernel alone
            ipython = sys.modules.get("IPython")
            shows = ipython is not None and ipython.get_ipython() is not None
        return pyplot.figure(**style) if shows else None
    except Exception:  # each backend has its own way to fail
        return None


def show_windows():
    """Show the figures that `open_window` gave, until the reader closes them."""
    from matplotlib import pyplot

    pyplot.show()
