"""Ends with one sentence when this Python is too old or has no venv; any Python 3 can read it."""

# ruff: noqa: UP031, UP036 - this file has to run on the Python that is too old
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "podready needs Python 3.11 or newer, and this is %d.%d (%s): make PYTHON=python3.12 ..."
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )
try:
    import ensurepip  # noqa: F401 - only asked whether it is there
    import venv  # noqa: F401 - the same
except ImportError:
    sys.exit(
        "this Python has no venv module: install it first "
        "(Debian, Ubuntu: apt-get install python3-venv)"
    )
