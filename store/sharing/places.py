"""Where files are: a folder, an object store, anything that fsspec opens. A file appears there whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from layeratlas.store.errors import BadRequest, LayeratlasError, MissingPackage
from layeratlas.store.files import TEMPORARY, receive, whole_file

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_ATTEMPTS = 6  # of one request, when a connection breaks: 15 seconds in all
_FIRST_PAUSE = 0.5  # seconds, then twice as long each time
_REFUSALS = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "HTTP STATUS 403")
_NO_CHECKSUMS = ("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")  # files have our hash
_CHUNK = 8 * 2**20  # bytes read and written at a time
_Result = TypeVar("_Result")


class Place(Protocol):
    """Files under names such as `results/scores/….parquet`, as a store has them below its root."""

    is_checked: bool  # whether every file was inspected already (`arrivals.py`)

    @property
    def title(self) -> str:
        """How messages name it."""

    @property
    def address(self) -> str:
        """What tells it from all others."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of every file below a folder, by name; a folder that is not there has none."""

    def open(self, name: str) -> BufferedIOBase:
        """Open one file to read parts of it."""

    def fetch(self, name: str, to: Path) -> str:
        """Copy one file to this machine; return the SHA-256 of what came."""

    def put(self, file: Path, name: str) -> None:
        """Copy a file of this machine here."""


class Shared(Place, Protocol):
    """A place at which a store can be, shared by many."""

    def remove(self, name: str) -> None:
        """Remove one file, if it is there: leases, and nothing else, are ever removed from a place."""


class Folder:
    """A folder of this machine, or of a disk that it shares."""

    is_checked = False

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def title(self) -> str:
        return str(self.root)

    @property
    def address(self) -> str:
        return str(self.root.resolve())

    def sizes(self, folder: str) -> dict[str, int]:
        found = (path for path in (self.root / folder).rglob("*") if not path.name.startswith(TEMPORARY))
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in found if path.is_file()}

    def open(self, name: str) -> BufferedIOBase:
        return (self.root / name).open("rb")

    def fetch(self, name: str, to: Path) -> str:
        with (self.root / name).open("rb") as source:
            return receive(source, to)

    def put(self, file: Path, name: str) -> None:
        with whole_file(self.root / name) as temporary:
            shutil.copyfile(file, temporary)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)


class ObjectStore:
    """A prefix of a bucket, or what else has a pyarrow file system. What breaks is tried again a few times."""

    is_checked = False

    def __init__(self, address: str, files: FileSystem, prefix: str, *, has_folders: bool) -> None:
        self.address, self._files, self._prefix = address, files, prefix.rstrip("/")
        self._has_folders = has_folders  # which must be made before a file can be in them

    @property
    def title(self) -> str:
        return self.address.partition("?")[0].rstrip("/")

    def sizes(self, folder: str) -> dict[str, int]:
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self._path(folder), recursive=True, allow_not_found=True)
        found = self._patiently(lambda: self._files.get_file_info(selector), folder)
        if not found:
            self._require_bucket()
        whole = [info for info in found if info.type == FileType.File]
        start = self._prefix.strip("/")
        return {info.path.strip("/").removeprefix(start).strip("/"): info.size for info in whole}

    def open(self, name: str) -> BufferedIOBase:
        opened: BufferedIOBase = self._patiently(lambda: self._files.open_input_file(self._path(name)), name)
        return opened

    def fetch(self, name: str, to: Path) -> str:
        def copy() -> str:
            with self._files.open_input_stream(self._path(name)) as source:
                return receive(source, to)

        return self._patiently(copy, name)

    def put(self, file: Path, name: str) -> None:
        def copy() -> None:
            if self._has_folders:
                self._files.create_dir(self._path(name).rpartition("/")[0], recursive=True)
            with file.open("rb") as source, self._files.open_output_stream(self._path(name)) as target:
                shutil.copyfileobj(source, target, _CHUNK)

        self._patiently(copy, name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._patiently(lambda: self._files.delete_file(self._path(name)), name)

    def _require_bucket(self) -> None:
        """Tell a prefix that nobody has written to yet from a bucket that is not there. Raises BadRequest."""
        from pyarrow.fs import FileType

        bucket = self._prefix.partition("/")[0]
        if self.address.startswith("s3:"):
            found = self._patiently(lambda: self._files.get_file_info(bucket), bucket)
            if found.type == FileType.NotFound:
                raise BadRequest(f"{self.title}: there is no bucket '{bucket}', or it may not be seen; create it first")

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}".rstrip("/")

    def _patiently(self, request: Callable[[], _Result], name: str) -> _Result:
        """Return what a request gives; one that fails is made again, but not where it was refused."""
        for attempt in range(_ATTEMPTS):
            try:
                return request()
            except FileNotFoundError:
                raise
            except OSError as error:
                if attempt == _ATTEMPTS - 1 or _is_refusal(error):
                    raise _unreachable(f"{self.title}/{name}".rstrip("/"), error) from error
            time.sleep(_FIRST_PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def open_place(address: str) -> Shared:
    """Return the place that an address names: a folder, `s3://bucket/prefix`, or what fsspec opens (`hf://datasets/…`).

    Credentials are the environment's or the profile's. Raises BadRequest, MissingPackage, LayeratlasError.
    """
    scheme, colon, rest = address.partition("://")
    if not colon:
        return Folder(Path(address).expanduser())
    if not rest.strip("/"):
        raise BadRequest(f"'{address}' names no place: expected one such as s3://bucket/prefix")
    if scheme == "file":
        return Folder(Path(rest))
    with _opening(address):
        if scheme == "s3":
            from pyarrow.fs import FileSystem

            os.environ.setdefault(*_NO_CHECKSUMS)
            files, prefix = FileSystem.from_uri(address)
            return ObjectStore(address, _in_own_thread(files), prefix, has_folders=False)
        import fsspec  # type: ignore[import-untyped]
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        found, prefix = fsspec.core.url_to_fs(address)
        return ObjectStore(address, PyFileSystem(FSSpecHandler(found)), prefix, has_folders=True)


def _in_own_thread(files: FileSystem) -> FileSystem:
    """Return the same object store, written to by the thread that asks: several files are on their way anyway.

    pyarrow's own threads take twice the processor's time, and half as long again by the clock. No address can say so.
    """
    make, (how,) = files.__reduce__()  # how a copy for another process is made: by the arguments
    found: FileSystem = make({**how, "background_writes": False})
    return found


def is_elsewhere(address: str | os.PathLike[str]) -> bool:
    """Tell whether an address names no folder of this machine."""
    scheme, colon, _ = str(address).partition("://")
    return bool(colon) and scheme != "file"


@contextmanager
def _opening(address: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingPackage(f"{address} cannot be opened: {error}") from error
    except ValueError as error:  # of pyarrow and of fsspec: what the address itself has wrong
        raise BadRequest(f"'{address}' cannot be opened: {error}") from error
    except OSError as error:
        raise _unreachable(address, error) from error


def _is_refusal(error: OSError) -> bool:
    return isinstance(error, PermissionError) or any(sign in str(error).upper() for sign in _REFUSALS)


def _unreachable(what: str, error: OSError) -> LayeratlasError:
    said = " ".join((error.strerror or str(error)).split())
    return LayeratlasError(f"{what} cannot be reached: {said}. What has arrived is kept; the same command goes on")
