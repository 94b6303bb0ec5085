"""What can go wrong, in sentences for the person who started it."""

from scripts.fanout.errors import BenchError


class ScalingError(BenchError):
    """It can't be measured here, or a file is not what it should be."""
