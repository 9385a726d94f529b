"""Data files on remote file systems: `s3://`, `gs://` and `hdfs://`, through `pyarrow.fs`.

Credentials and endpoints come from the environment, as other tools take them.
"""

import os
import re
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
            raise UserError(f"{place.name}: {no_bucket(root, place.scheme)}.")
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


def explain(name: str, error: Exception) -> str:
    """Returns what an error of a file system means, and what to do."""
    text = str(error).strip().rstrip(".")
    scheme = name.partition("://")[0] if "://" in name else ""
    if scheme not in SCHEMES:
        return f"{text}. {disk_advice(error)}".rstrip()
    if "NO_SUCH_BUCKET" in text:
        return f"{no_bucket(_bucket(name), scheme)}. Check its name."
    if _DENIED.search(text):
        return f"access is denied{_at_endpoint(scheme)}. {_CREDENTIALS[scheme]} ({text}.)"
    if _UNREACHED.search(text):
        return (
            f"the server cannot be reached{_at_endpoint(scheme)}, or gave up answering. Check the network and the "
            f"endpoint, and run again: a training goes on from its last checkpoint. ({text}.)"
        )
    return f"{text}."


def no_bucket(bucket: str, scheme: str) -> str:
    """Returns that a bucket is not there, and where it was looked for."""
    return f'the bucket "{bucket}" does not exist{_at_endpoint(scheme)}'


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
