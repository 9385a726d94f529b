"""What a draft tells and knows for sure, among notes of what it has guessed."""


class Fact(str):
    """A note of what was done or found: there is nothing to be unsure of."""
