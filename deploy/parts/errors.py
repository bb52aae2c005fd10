"""What can go wrong with a part; every message says what to do about it."""


class PartError(Exception):
    """A part did not do what was asked."""


class PartUnavailableError(PartError):
    """The part cannot run on this machine: something that it needs is missing."""


class PartFailedError(PartError):
    """The part was started and ended, or did not get ready in time; the message ends with its log."""
