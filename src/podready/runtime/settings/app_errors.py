"""What an app's own code raised, as a sentence for a report."""

from __future__ import annotations


def describe_error(error: Exception, otherwise: str) -> str:
    """Return the error's own sentence, or `otherwise` and where it was raised.

    Only ValueError and AssertionError are raised to be read; the text of others may be anything.
    """
    if isinstance(error, ValueError | AssertionError) and str(error):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{otherwise} ({type(error).__name__}{place})"
