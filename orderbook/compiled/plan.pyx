# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From a layout to a tree of keys in native memory, by which messages are read."""

from libc.stdlib cimport calloc, free

from orderbook.compiled.found cimport CHANGE, NUMBER, OBJECT, OTHER, PRICE, ROWS, SEQUENCE, SIZE, TEXT
from orderbook.compiled.skipping cimport KEYS


cdef class Plan:
    """A layout, made ready for one symbol.

    Args:
        layout: A ``venues.layout.Layout``.
        symbol: What ``{symbol}`` stands for.
    """

    def __cinit__(self, layout, str symbol):
        cdef dict tree = {}
        self._kept = []
        for path, text in {**layout.texts, **layout.may_be}.items():
            self._put(tree, path, (TEXT, 0, text.replace("{symbol}", symbol).encode(), path in layout.texts))
        slots = {}
        for path, slot in ((layout.start, START), (layout.end, END), (layout.time, TIME)):
            if path is not None:
                slots[path] = slots.get(path, 0) | slot
        for path, slot in slots.items():
            self._put(tree, path, (NUMBER, slot, b"", slot != TIME))
        for side, path in enumerate((layout.bids, layout.asks)):
            if path is not None:
                self._put(tree, path, (ROWS, side, b"", False))
        if layout.change is not None:
            self._put(tree, layout.change, (CHANGE, 0, b"", True))
        nodes, keys = [], []
        self._flatten(tree, nodes, keys)
        if max(count for _, count, _ in nodes) >= KEYS:
            raise ValueError("a layout with so many keys in an object cannot be read")
        self.keys = <Key*> calloc(len(keys), sizeof(Key))
        self.nodes = <Node*> calloc(len(nodes), sizeof(Node))
        if self.keys == NULL or self.nodes == NULL:
            raise MemoryError
        for number, (name, kind, target, text) in enumerate(keys):
            self._kept += (name, text)
            self.keys[number].name = <const char*> <bytes> name
            self.keys[number].length = len(name)
            self.keys[number].kind = kind
            self.keys[number].target = target
            self.keys[number].text = <const char*> <bytes> text
            self.keys[number].text_length = len(text)
        self.node_count = len(nodes)
        for number, (first, count, needed) in enumerate(nodes):
            self.nodes[number].first = first
            self.nodes[number].count = count
            self.nodes[number].needed = needed
        self.time_units = layout.time_units
        kinds = {"price": PRICE, "size": SIZE, "sequence": SEQUENCE}
        if len(layout.row) > COLUMNS:
            raise ValueError("a layout with so many columns in a row cannot be read")
        self.row_length = len(layout.row)
        for place, name in enumerate(layout.row):
            self.row[place] = kinds.get(name, OTHER)
        self.is_usual = layout.row[:2] == ("price", "size") and layout.row[2:] in ((), ("sequence",))
        self.is_counted = len(layout.row) > 2
        places = {name: place for place, name in enumerate(layout.change_row)}
        self.change_price, self.change_side, self.change_size = places["price"], places["side"], places["size"]
        for side, word in enumerate(layout.sides):
            name = word.encode()
            self._kept.append(name)
            self.names[side] = <const char*> <bytes> name
            self.name_lengths[side] = len(name)

    def __dealloc__(self):
        free(self.keys)
        free(self.nodes)

    def _put(self, tree, path, leaf):
        *outer, last = path
        for key in outer:
            tree = tree.setdefault(key, {})
        tree[last] = leaf

    def _flatten(self, tree, nodes, keys):
        """Nodes as (first key, how many, which are needed), keys as (name, kind, target, text); the root is node 0."""
        number, first = len(nodes), len(keys)
        nodes.append(None)
        keys.extend([None] * len(tree))
        needed = 0
        for place, (name, leaf) in enumerate(tree.items()):
            if isinstance(leaf, dict):
                keys[first + place] = (name.encode(), OBJECT, self._flatten(leaf, nodes, keys), b"")
                needed |= 1 << place
            else:
                kind, target, text, is_needed = leaf
                keys[first + place] = (name.encode(), kind, target, text)
                needed |= is_needed << place
        nodes[number] = (first, len(tree), needed)
        return number
