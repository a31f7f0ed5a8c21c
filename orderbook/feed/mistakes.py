"""What users' callbacks raise: nearly everything is their own affair, whatever class it is of."""

from __future__ import annotations

import threading


def ends_the_program(error: BaseException) -> bool:
    """Whether an error that came out of a callback is a wish to end the program, which must be obeyed.

    In a thread beside the main one it is not: there ``sys.exit`` would end nothing but the feed, in silence.
    """
    is_wish = isinstance(error, KeyboardInterrupt | SystemExit)
    return is_wish and threading.current_thread() is threading.main_thread()


def in_words(error: BaseException) -> str:
    """Its class and what it says, in ASCII and short; also of an error that fails when it is asked for its words."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - it is a user's class, which may do anything
        said = "it cannot say what it is"
    return f"{type(error).__name__}: {ascii(said)[1:-1][:200]}"
