"""What can go wrong in the lab, in sentences for the person who started it."""


class LabError(Exception):
    """The lab could not do what was asked: a program is missing, a node died, a deadline passed.

    The message is one sentence and, where there is one, what the program in question printed.
    """


class Interrupted(BaseException):
    """A signal asks us to end. No `Exception`, so no handler of errors swallows it on the way."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
