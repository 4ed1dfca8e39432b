"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Bad input, told in one sentence: what is wrong, where, and how to mend it.

    The command line prints the sentence and ends with exit code 2; the app shows it in the page.
    """
