"""The compiled twin, where it was built; `orderbook.accelerator` says whether it is in use."""
