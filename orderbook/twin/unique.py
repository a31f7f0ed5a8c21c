"""What there is one of: books, and what they are made of."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


def refuse_copy(self: object, protocol: SupportsIndex) -> NoReturn:
    """In the place of ``__reduce_ex__``, by which objects are copied and pickled: here a copy would lose its parts.

    Raises:
        TypeError: Always.
    """
    del protocol
    raise TypeError(f"no {type(self).__name__} is copied or pickled; a view of the book is what may be kept")
