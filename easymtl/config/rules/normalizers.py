"""What a function of numbers in a config may be: a name, or a lambda of the grammar of expressions."""

from easymtl.config.expressions import COMPARISONS, ExpressionFault, names_in, parse_lambda
from easymtl.config.names import NORMALIZERS, is_lambda, normalizer_name
from easymtl.errors import did_you_mean, quoted


def normalizer_fault(text: str) -> str:
    """Returns what is wrong with a function, a sentence that goes on after its field; empty if it is right."""
    if not is_lambda(text):
        name = normalizer_name(text)
        hint = did_you_mean(name, NORMALIZERS)
        return "" if name in NORMALIZERS else f'"{text}" is no lambda and none of {quoted(NORMALIZERS, 30)}.{hint}'
    try:
        body = parse_lambda(text, vocabulary=COMPARISONS).body
    except ExpressionFault as fault:
        return str(fault)
    return "" if names_in(body) else f'"{text}" does not name its parameter, so it is the same in all rows.'
