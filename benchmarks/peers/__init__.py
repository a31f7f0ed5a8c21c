"""Other libraries that keep an order book, and ways to write one by hand, measured side by side with this one."""
