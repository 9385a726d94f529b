"""The file that scores are written to."""

from pathlib import PurePosixPath

from easymtl.data.paths import local_path
from easymtl.data.remote import is_remote
from easymtl.errors import UserError


def scores_file(output: str) -> str:
    """Returns a `.parquet` file as it is, and `scores.parquet` in any other place; options of a URI stay behind.

    Raises:
        UserError: the place is a file of another format, or has no name at all.
    """
    if not output:
        raise UserError('--output is empty; name a folder or a file that ends in ".parquet".')
    path, mark, options = output.partition("?") if is_remote(output) else (local_path(output), "", "")
    if PurePosixPath(path).suffix not in ("", ".parquet"):
        raise UserError(f'{path}: scores are written as Parquet; name a folder or a file that ends in ".parquet".')
    if not path.endswith(".parquet"):
        path = f"{path.rstrip('/')}/scores.parquet"
    return f"{path}{mark}{options}"
