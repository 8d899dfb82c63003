"""What an interrupted download leaves: `NAME.part`, and `NAME.part.tag`, of which version, how long, and whence.

One download at a time has it: it is locked, flock(2), as long as it is open. Nothing that others may have put in its
place is written to: no link, nobody else's file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["Leftover"]

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Of file systems that have no locks: nobody can be kept out there."""
_LONGEST = 255 - len(".part.tag")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Leftover:
    """The bytes that are there of a file to be, and of which version they are.

    Raises: `BlockingIOError` if another download has it, other `OSError` where it cannot be ours.
    """

    def __init__(self, path: Path, source: str, *, resume: bool) -> None:
        from hashlib import sha256

        self.path = path
        # Not the URL itself, which may hold secrets.
        self.source = sha256(source.encode("utf-8", "backslashreplace")).hexdigest()
        name = _short(path.name)
        self.part = path.with_name(name + ".part")
        self.note = path.with_name(name + ".part.tag")
        self.file: BinaryIO = self._locked()
        try:
            if (mode := self._mode()) is not None:
                # Who may read the file that is there may read what takes its place; but we must go on with it.
                os.fchmod(self.file.fileno(), mode | 0o600)
            self.tag, self.total = self._noted() if resume else ("", None)
        except BaseException:
            self.keep()
            raise
        self.have = self.file.seek(0, os.SEEK_END) if self.tag else 0

    def _locked(self) -> BinaryIO:
        while True:
            file = _own(self.part)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    same = os.path.samestat(os.fstat(file.fileno()), self.part.lstat())
                except FileNotFoundError:
                    same = False
            except BlockingIOError as error:
                file.close()
                message = f"another download is writing {self.part}; wait for it, or choose another name"
                raise BlockingIOError(error.errno, message) from None
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    return file
                file.close()
                raise
            except BaseException:
                file.close()
                raise
            if same:
                return file
            # Who had it has put it in place just now, or given it up.
            file.close()

    def _mode(self) -> int | None:
        """Give the mode of the file that is there."""
        try:
            return stat.S_IMODE(self.path.stat().st_mode) & 0o777
        except FileNotFoundError:
            return None

    def _noted(self) -> tuple[str, int | None]:
        try:
            with _own(self.note, create=False) as note:
                tag, total, source, *_ = [*note.read(4096).decode("latin-1").split("\n"), "", "", ""]
        except FileNotFoundError:
            return "", None
        # Two resources of one moment have one date.
        if source != self.source:
            return "", None
        return tag, int(total) if total.isdecimal() else None

    def begin(self, tag: str, total: int | None) -> None:
        """Forget what is there: a version comes that `tag` names, of `total` bytes; without a tag none can follow."""
        self.tag, self.total, self.have = tag, total, 0
        self.file.seek(0)
        self.file.truncate()
        if tag:
            with _own(self.note) as note:
                note.truncate()
                note.write(f"{tag}\n{'' if total is None else total}\n{self.source}\n".encode("latin-1"))
        else:
            self.note.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Add what came."""
        self.file.write(piece)
        self.have += len(piece)

    def place(self) -> None:
        """Put it in place: it is whole."""
        if (mode := self._mode()) is not None:
            os.fchmod(self.file.fileno(), mode)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)
        self.file.close()

    def keep(self) -> None:
        """Keep what there is, if there is anything."""
        if self.file.closed:
            return
        self.file.flush()
        if os.fstat(self.file.fileno()).st_size == 0:
            self.part.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)
        self.file.close()


def _short(name: str) -> str:
    """Leave room for an ending: a name has 255 bytes at most."""
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return name
    from hashlib import sha256

    return os.fsdecode(encoded[: _LONGEST - 17]) + "-" + sha256(encoded).hexdigest()[:16]


def _own(path: Path, *, create: bool = True) -> BinaryIO:
    """Open a file of ours that is a file, and no link."""
    try:
        descriptor = os.open(path, _FLAGS if create else _FLAGS & ~os.O_CREAT, 0o666)
    except OSError as error:
        if path.is_symlink():
            message = f"{path} is a link, and what it names would be overwritten; remove it"
            raise FileExistsError(error.errno, message) from None
        raise
    file = os.fdopen(descriptor, "r+b")
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
        return file
    file.close()
    message = f"{path} is {'of another user' if stat.S_ISREG(status.st_mode) else 'no file'}; remove it"
    raise FileExistsError(message)
