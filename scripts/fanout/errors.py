"""What can go wrong in a comparison, in sentences for the person who started it."""


class BenchError(Exception):
    """It can't be measured here: something is missing, a process ended, a deadline passed."""
