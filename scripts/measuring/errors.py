"""What can go wrong when something is measured, in sentences for the person who started it."""


class MeasureError(Exception):
    """It can't be measured here, or a file is not what it should be.

    Something is missing, a process ended, a deadline passed, there is too little memory.
    """
