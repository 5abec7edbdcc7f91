"""Which sums a trained adder gets wrong: none, of any length (`prove`), or this one (`refute`)."""

from exact.proof import decide, prove, refute, train_proven

__all__ = ["decide", "prove", "refute", "train_proven"]
