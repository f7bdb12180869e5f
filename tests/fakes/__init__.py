"""Doubles of the ports; each passes the contract suite of its port."""
