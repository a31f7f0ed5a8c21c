"""What a type checker would refuse, done on purpose: a caller without one makes such mistakes, and a test is one."""

from __future__ import annotations

from typing import Any


def unchecked(value: object) -> Any:
    """The value itself, of a type that nothing is known of."""
    return value


def hook(owner: object, name: str, method: object) -> None:
    """Put ``method`` in the place of one of the object's own, for as long as it lives.

    Raises:
        AttributeError: It has none of this name.
    """
    getattr(owner, name)
    setattr(owner, name, method)
