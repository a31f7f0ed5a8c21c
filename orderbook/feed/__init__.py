"""The live part, the only place that waits: links, subscriptions, snapshots, delivery.

It logs to ``orderbook.feed``: one line a change of state. Who wants to see them sets up ``logging``.
"""

import logging

logging.getLogger("orderbook").addHandler(logging.NullHandler())
