"""A KuCoin to run against: the true market, the venue's side of the protocol, faults, and a server for this machine."""
