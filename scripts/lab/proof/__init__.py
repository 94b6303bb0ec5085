"""Delivery, shown on real sockets: `scripts/prove_delivery` and what it consists of.

Each proof (`loss`, `deaths`, `cut`, `sizes`, `overlapping`, `unreachable`) builds a lab of its own,
does its damage, and states what it found as checks; `watch` notes what all nodes tell meanwhile.
Their scales are arguments: the tests run the same proofs, shorter.
"""
