"""Whichever await of a feed is cancelled or fails: no book is wrong or old, and closing leaves nothing."""

from __future__ import annotations

import pytest

from tests.simulation.awaits import How, Sweep

STEP = 19
"""Every so manieth await; ``make awaits`` takes them all."""
UNWELL = ("LinkKeeper._run", "_life")
"""Whose end is the end of what it does: a link that somebody cancels from outside, and the user's own task."""


@pytest.mark.parametrize("how", ["cancel", "raise"])
def test_the_nth_await_fails(how: How) -> None:
    """In a life with a gap, a bad answer, a lost and a replaced link, a reset, and symbols that come and go."""
    total = Sweep(0, how).run().awaits
    assert total > 400

    for at in range(1, total + 1, STEP):
        sweep = Sweep(at, how).run()

        assert [] == sweep.breaches, f"await {at} ({sweep.where})"
        assert sweep.is_well or sweep.where.endswith(UNWELL), f"await {at} ({sweep.where})"


def test_a_replacement_that_is_cancelled_at_its_end_leaves_no_link() -> None:
    """The new link is up, and whoever waits for it is cancelled in that moment: it is ended, too."""
    life = Sweep(0, "cancel").run()
    moments = [
        at
        for at, name in enumerate(life.names, 1)
        if name.endswith("LinkKeeper._run") and any("Replacement" in near for near in life.names[at - 6 : at + 1])
    ]
    assert moments

    assert [] == [breach for at in moments for breach in Sweep(at, "cancel").run().breaches]
