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
    backend = os.environ.pop("MPLBACKEND", None)
    # Silent, in every worker: pictures ignore matplotlibrc, so its faults are none of theirs, and
    # where no settings can be written matplotlib finds a folder of its own.
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib

        matplotlib.get_configdir()
        matplotlib.get_cachedir()
    finally:
        logger.setLevel(level)
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
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
        if shows and not is_idle_notebook(name):
            return pyplot.figure(**style)
    except Exception:  # each backend has its own way to fail
        pass
    return None


def show_windows():
    """Show the figures that `open_window` gave, until the reader closes them."""
    from matplotlib import pyplot

    pyplot.show()


def is_idle_notebook(name):
    """Whether backend `name` is a notebook's, and this process is not the notebook's kernel."""
    ipython = sys.modules.get("IPython")
    return "inline" in name and (ipython is None or ipython.get_ipython() is None)
