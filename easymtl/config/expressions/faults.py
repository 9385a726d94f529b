"""What is wrong with an expression."""


class ExpressionFault(ValueError):
    """An expression that cannot be read; the caller adds which field it stands in.

    Attributes:
        text: the expression.
        position: of what is wrong in it, counted from 0.
    """

    def __init__(self, text: str, position: int, message: str):
        self.text, self.position = text, position
        super().__init__(f'"{text}", column {position + 1}: {message}')
