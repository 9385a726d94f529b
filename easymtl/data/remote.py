"""Data files on remote file systems: `s3://`, `gs://` and `hdfs://`, through `pyarrow.fs`.

Credentials and endpoints come from the environment, as other tools take them.
"""

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import pyarrow as pa
from pyarrow import fs

from easymtl.data.disk_errors import disk_advice
from easymtl.errors import UserError, did_you_mean, quoted

SCHEMES = ("s3", "gs", "hdfs")

_URI = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<authority>[^/?]*)(?P<path>.*?)(?P<query>\?\w+=.*)?$")
_USER = re.compile(r"//(?:[^?\s]*:[^?\s]*|[^/?\s]*)@")
_OPTION = re.compile(r"([?&](?!(?:endpoint_override|scheme|region)=)\w+=)[^&\s\"']+")
_S3_OPTIONS = ("endpoint_override", "scheme", "region")
_S3_ATTEMPTS = 5
# Google's own limit is a quarter of an hour.
_GS_RETRY_SECONDS = 60
_CREDENTIALS = {
    "s3": "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE, and that this "
    "account may list and read the bucket.",
    "gs": "Check GOOGLE_APPLICATION_CREDENTIALS, and that this account may list and read the bucket.",
    "hdfs": "Check HADOOP_USER_NAME, or the Kerberos ticket, and the mode of the file.",
}
_NEEDS = {
    "s3": "This pyarrow was built without S3: install pyarrow from PyPI or conda-forge.",
    "gs": "This pyarrow was built without Google Cloud Storage: install pyarrow from PyPI or conda-forge.",
    "hdfs": "It needs Java and Hadoop: set JAVA_HOME, HADOOP_HOME and CLASSPATH (`hadoop classpath --glob`), and "
    "ARROW_LIBHDFS_DIR when libhdfs.so lies elsewhere.",
}
_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|EXPIRED|UNRECOGNIZED_CLIENT|MISSING_AUTH|"
    r"HTTP status 40[13]|UNAUTHENTICATED|PERMISSION_DENIED|[Pp]ermission denied|AccessControlException"
)
_UNREACHED = re.compile(r"NETWORK_CONNECTION|curlCode|REQUEST_TIMEOUT|UNAVAILABLE|[Cc]ould not connect|SLOW_DOWN")


@dataclass(frozen=True)
class Location:
    """A place on a remote file system.

    Attributes:
        name: how the user knows it, without options.
        root: the part of `name` that stands for the file system, such as `s3://bucket`.
        path: the place inside `filesystem`.
        filesystem: where it is.
    """

    name: str
    root: str
    path: str
    filesystem: fs.FileSystem

    @property
    def scheme(self) -> str:
        """Returns the scheme, such as `s3`."""
        return self.root.partition(":")[0]

    @property
    def folder_of_root(self) -> str:
        """Returns the path of `root` inside the file system."""
        return self.path[: len(self.path) - len(self.name) + len(self.root)]

    def name_of(self, path: str) -> str:
        """Returns how the user knows a path of the same root."""
        return self.root + path[len(self.folder_of_root) :]


def is_remote(part: str) -> bool:
    """Returns whether a path names a file system that is not the local one."""
    match = _URI.match(part)
    return match is not None and match["scheme"].lower() != "file"


def locate(uri: str) -> Location:
    """Returns the place that a URI means.

    Raises:
        UserError: its scheme is not known or not available here, or an option of it is wrong.
    """
    match = _URI.match(uri)
    assert match, "only a URI is located"
    scheme, authority, query = match["scheme"].lower(), match["authority"], match["query"] or ""
    if scheme not in SCHEMES:
        known = quoted(f"{name}://" for name in ("file", *SCHEMES))
        raise UserError(
            f'Path "{masked(uri)}": {scheme}:// cannot be read; {known} can. Or copy the files to a local disk.'
        )
    # Secrets of AWS may have a slash in them, which then seems to end the bucket.
    if "@" in authority or (scheme != "hdfs" and ":" in authority and "@" in match["path"]):
        raise UserError(
            f"An input path that begins with {scheme}:// holds a name or secret before the bucket, which would end "
            f"up in logs and checkpoints. Leave it out. {_CREDENTIALS[scheme]}"
        )
    if not authority and scheme != "hdfs":
        raise UserError(f'Path "{masked(uri)}": no bucket is named. Write {scheme}://bucket/path.')
    filesystem, folder = _connect(uri, scheme, authority, query)
    path = match["path"].rstrip("/")
    return Location(f"{scheme}://{authority}{path}", f"{scheme}://{authority}", folder + path, filesystem)


def masked(text: str) -> str:
    """Returns a URI, or a text with one, as it may be shown: without secrets before a host or in options."""
    return _OPTION.sub(r"\1***", _USER.sub("//***@", text))


def require_writable_place(place: Location) -> None:
    """Checks, before hours of work for it, that the bucket of a file that is to be written is there.

    Raises:
        UserError: it is not, or the server cannot be reached.
    """
    try:
        root = place.folder_of_root
        if root and place.filesystem.get_file_info(root).type == fs.FileType.NotFound:
            raise UserError(f'{place.name}: the bucket "{root}" does not exist{_at_endpoint(place.scheme)}.')
    except OSError as error:
        raise UserError(f"{place.name}: cannot be written: {explain(place.name, error)}") from None


def upload(path: str, place: Location) -> None:
    """Copies a local file to a place, where it appears whole.

    Raises:
        UserError: it could not be written.
    """
    try:
        fs.copy_files(path, place.path, fs.LocalFileSystem(), place.filesystem)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{place.name}: cannot be written: {explain(place.name, error)}") from None


def list_files(place: Location) -> list[str]:
    """Returns the paths of the data files: the one at the place, those below a folder, or those a glob means, sorted.

    Raises:
        UserError: nothing is there, or it may not be read, or the server cannot be reached.
    """
    try:
        info = place.filesystem.get_file_info(place.path)
        if info.type == fs.FileType.NotFound and glob.has_magic(place.path):
            matches = _matches(place.filesystem, *_fixed_part(place.path))
            infos = sorted(matches, key=lambda match: match.path)
        else:
            infos = [info]
        paths = [path for found in infos for path in _files_of(place.filesystem, found)]
        if not paths:
            raise UserError(_nothing(place))
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f'Input path "{place.name}": {explain(place.name, error)}') from None
    return list(dict.fromkeys(paths))


def explain(name: str, error: Exception) -> str:
    """Returns what an error of a file system means, and what to do."""
    text = str(error).strip().rstrip(".")
    scheme = name.partition("://")[0] if "://" in name else ""
    if scheme not in SCHEMES:
        return f"{text}. {disk_advice(error)}".rstrip()
    if "NO_SUCH_BUCKET" in text:
        return f'the bucket "{_bucket(name)}" does not exist{_at_endpoint(scheme)}. Check its name.'
    if _DENIED.search(text):
        return f"access is denied{_at_endpoint(scheme)}. {_CREDENTIALS[scheme]} ({text}.)"
    if _UNREACHED.search(text):
        return (
            f"the server cannot be reached{_at_endpoint(scheme)}, or gave up answering. Check the network and the "
            f"endpoint, and run again: a training goes on from its last checkpoint. ({text}.)"
        )
    return f"{text}."


def is_refusal(error: Exception) -> bool:
    """Returns whether a server or a disk could not or would not hand out a file, rather than the file being damaged."""
    text = str(error)
    return bool(disk_advice(error) or "NO_SUCH_BUCKET" in text or _DENIED.search(text) or _UNREACHED.search(text))


def _connect(uri: str, scheme: str, authority: str, query: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system and the path of its root inside of it."""
    try:
        if scheme == "s3":
            return _s3(uri, authority, dict(parse_qsl(query[1:]))), authority
        if scheme == "gs" and "retry_limit_seconds" not in query:
            query = f"{query or '?'}&retry_limit_seconds={_GS_RETRY_SECONDS}".replace("?&", "?")
        filesystem, folder = fs.FileSystem.from_uri(f"{scheme}://{authority}/{query}")
        return filesystem, folder.rstrip("/")
    except (AttributeError, ImportError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        first_line = masked(str(error).partition("\n")[0]).rstrip(".")
        raise UserError(
            f'Input path "{masked(uri)}": {scheme}:// is not available here: {first_line}. {_NEEDS[scheme]}'
        ) from None


def _s3(uri: str, bucket: str, options: dict[str, str]) -> fs.FileSystem:
    for name in options:
        if name not in _S3_OPTIONS:
            raise UserError(
                f'Input path "{masked(uri)}": option "{name}" is not known; allowed are {quoted(_S3_OPTIONS)}.'
                + did_you_mean(name, _S3_OPTIONS)
            )
    endpoint = options.get("endpoint_override") or _endpoint()
    scheme, has_scheme, host = endpoint.rpartition("://")
    region = options.get("region")
    if not region and not endpoint:
        region = _region(bucket)
    return fs.S3FileSystem(
        region=region,
        scheme=options.get("scheme") or (scheme if has_scheme else "https"),
        endpoint_override=host.rstrip("/") or None,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_S3_ATTEMPTS),
    )


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _region(bucket: str) -> str | None:
    """Returns the region of a bucket, or None where AWS does not tell: then it is that of the environment."""
    try:
        return fs.resolve_s3_region(bucket)
    except (OSError, ValueError):
        return None


def _bucket(name: str) -> str:
    return name.partition("://")[2].partition("/")[0]


def _at_endpoint(scheme: str) -> str:
    return f" (AWS_ENDPOINT_URL is {_endpoint()})" if scheme == "s3" and _endpoint() else ""


def _fixed_part(pattern: str) -> tuple[str, list[str]]:
    """Returns the folder above the first wildcard, and the names below it."""
    names = pattern.split("/")
    first = next(place for place, name in enumerate(names) if glob.has_magic(name))
    return "/".join(names[:first]), names[first:]


def _matches(filesystem: fs.FileSystem, folder: str, names: list[str]) -> Iterator[fs.FileInfo]:
    """Yields what lies below a folder and matches the names, of which `**` stands for any number of folders."""
    name, rest = names[0], names[1:]
    if name == "**":
        entries = _below(filesystem, folder, is_recursive=True)
        folders = [entry.path for entry in entries if entry.type == fs.FileType.Directory]
        for below in [folder, *folders]:
            yield from _matches(filesystem, below, rest or ["*"])
        return
    for entry in _below(filesystem, folder):
        is_hidden = entry.base_name.startswith(".") and not name.startswith(".")
        if is_hidden or not fnmatch.fnmatchcase(entry.base_name, name):
            continue
        if not rest:
            yield entry
        elif entry.type == fs.FileType.Directory:
            yield from _matches(filesystem, entry.path, rest)


def _below(filesystem: fs.FileSystem, folder: str, is_recursive: bool = False) -> list[fs.FileInfo]:
    return filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=is_recursive))


def _files_of(filesystem: fs.FileSystem, info: fs.FileInfo) -> Iterable[str]:
    """Returns the file itself, or all data files below a folder, sorted."""
    if info.type == fs.FileType.File:
        return [] if info.path.endswith("_SUCCESS") else [info.path]
    if info.type != fs.FileType.Directory:
        return []
    start = len(info.path.rstrip("/")) + 1
    entries = _below(filesystem, info.path, is_recursive=True)
    files = [entry.path for entry in entries if entry.type == fs.FileType.File]
    return sorted(path for path in files if _is_data(path[start:]))


def _is_data(path: str) -> bool:
    return not path.endswith("_SUCCESS") and not any(name.startswith((".", "_")) for name in path.split("/"))


def _nothing(place: Location) -> str:
    """Returns what is missing of a path at which there is no data file."""
    problem = f'Input path "{place.name}": '
    root = place.folder_of_root
    if root and place.filesystem.get_file_info(root).type == fs.FileType.NotFound:
        return f'{problem}the bucket "{root}" does not exist{_at_endpoint(place.scheme)}. Check its name.'
    info = place.filesystem.get_file_info(place.path)
    if info.type != fs.FileType.NotFound or glob.has_magic(place.path):
        return f"{problem}no data file is there. Check the path."
    folder, _, name = place.path.rpartition("/")
    names = [entry.base_name for entry in _below(place.filesystem, folder)] if folder else []
    return f'{problem}"{name}" is not in "{place.name_of(folder)}".{did_you_mean(name, names)}'
