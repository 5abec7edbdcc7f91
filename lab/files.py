"""Files that are there whole or not at all."""

import contextlib
import os


@contextlib.contextmanager
def written_whole(path):
    """Give a path beside `path` to write to; what is there at the end takes the place of `path`.

    Whoever reads `path` meanwhile, or after a kill, has the file of before.
    """
    aside = path.with_name(path.name + ".part")
    yield aside
    os.replace(aside, path)
