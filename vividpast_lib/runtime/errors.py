"""The one kind of error that is the user's to mend."""


class VividPastError(Exception):
    """Bad input or a missing file, in one sentence: what is wrong and what to do.

    The command line prints the sentence to stderr and exits with status 2.
    """
