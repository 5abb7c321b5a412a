"""Where the text of an export comes from: a file, an archive or a folder, in any encoding.

Nothing is ever extracted to disk, and no more than a few megabytes of text are held at once.
"""

from __future__ import annotations

import codecs
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import IO

from asimbot_plugins.errors import UserError
from asimbot_plugins.whatsapp.detect import learn

CHUNK = 1 << 16
"""bytes read at a time"""
HEAD = 1 << 16
"""bytes looked at to tell what a file is"""
MAX_RATIO = 100
"""more than this times its packed size, and more than MAX_UNPACKED: a zip bomb, not a chat"""
MAX_UNPACKED = 64 << 20
MAX_MEMBERS = 200_000
UNLOCK = "unpack it with its password first"

_MAGIC = (
    (b"PK\x03\x04", "a zip archive"), (b"%PDF", "a PDF file"), (b"SQLite format 3", "a database"),
    (b"\x89PNG", "an image"), (b"\xff\xd8\xff", "an image"), (b"GIF8", "an image"),
    (b"Rar!", "a RAR archive"), (b"7z\xbc\xaf", "a 7z archive"), (b"\x1f\x8b", "a gzip file"),
    (b"OggS", "a sound file"), (b"ID3", "a sound file"), (b"\x7fELF", "a program"),
)  # fmt: skip
HOW_TO_EXPORT = "in WhatsApp open the chat, then ⋮ or the contact's name > Export chat"


@dataclass
class Source:
    """One text that may be a chat. ``open`` can be called again for a second pass."""

    name: str
    opener: Callable[[], IO[bytes]]
    modified: date
    size: int

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes; whatever goes wrong with file or archive becomes a UserError."""
        try:
            with self.opener() as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UserError(f"{self.name}: the archive is broken", str(error)) from None
        except NotImplementedError as error:
            raise UserError(f"{self.name}: cannot unpack", str(error)) from None
        except RuntimeError as error:
            if "password" not in str(error):
                raise
            raise UserError(f"{self.name}: the archive is encrypted", UNLOCK) from None
        except OSError as error:
            raise UserError(f"{self.name}: cannot read", error.strerror or str(error)) from None

    def head(self) -> bytes:
        """The first bytes, to tell what it is."""
        with self.open() as stream:
            return stream.read(HEAD)


def guess_encoding(head: bytes) -> str:
    """Encoding of a text from its first bytes: a byte-order mark, zeros, or valid UTF-8."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) // 20 and min(even, odd) < max(even, odd) // 8 + 1:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        return "utf-8"
    except UnicodeDecodeError:
        multibyte = re.search(rb"[\xc3-\xf4][\x80-\xbf]+", head)
        return "utf-8" if multibyte else "cp1252"


def read_utf8(stream: IO[bytes], encoding: str) -> Iterator[tuple[bytes, int]]:
    """Pieces of a stream as UTF-8 without a mark, and how many bytes could not be decoded.

    UTF-8 itself is passed on unchecked: it is decoded once, in ``cut``.
    """
    if encoding.startswith("utf-8"):
        first = stream.read(CHUNK)
        yield first.removeprefix(codecs.BOM_UTF8), 0
        while data := stream.read(CHUNK):
            yield data, 0
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while data := stream.read(CHUNK):
        text = decoder.decode(data)
        yield text.encode("utf-8", "replace"), text.count("\ufffd")
    text = decoder.decode(b"", final=True)
    yield text.encode("utf-8", "replace"), text.count("\ufffd")


def decode(data: bytes) -> tuple[str, int]:
    """UTF-8 to text, bytes that are none as U+FFFD, and how many there were."""
    try:
        return data.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        return text, text.count("\ufffd") - data.count("\ufffd".encode())


def cut(pieces: Iterable[tuple[bytes, int]], style: str) -> Iterator[tuple[str, int]]:
    """Decodes pieces into chunks that each end before a line end.

    ``style`` is what precedes headers: ``CRLF`` (then LF and CRLF stay different), ``CR``, or
    ``LF`` (every line end becomes LF). The first chunk gets a line end in front, so that every
    header has one. Yields each chunk with its number of undecodable bytes.
    """
    held = [b"\r\n" if style == "CRLF" else b"\n"]
    undecodable = 0
    for piece, bad in pieces:
        undecodable += bad
        if not piece:
            continue
        at = piece.rfind(b"\r" if style == "CR" else b"\n")
        if at < 0:
            held.append(piece)
            continue
        if at > 0 and piece[at - 1 : at] == b"\r":
            at -= 1
        elif at == 0 and held[-1].endswith(b"\r"):
            held[-1], piece = held[-1][:-1], b"\r" + piece
        text, bad = decode(_line_ends(b"".join([*held, piece[:at]]), style))
        yield text, bad + undecodable
        held, undecodable = [piece[at:]], 0
    text, bad = decode(_line_ends(b"".join(held), style))
    yield text, bad + undecodable


def _line_ends(data: bytes, style: str) -> bytes:
    if style == "CRLF" or b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n") if style == "LF" else data.replace(b"\r", b"\n")


def what_is(head: bytes) -> str:
    """Name of a file type that is certainly no text, or an empty string."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if b"\0" in head and guess_encoding(head) in ("utf-8", "utf-8-sig", "cp1252"):
        return "" if _looks_like_chat(head) else "binary data"
    return ""


def sources(path: Path) -> tuple[list[Source], list[str]]:
    """Chat texts at a path (several only for a folder) and the names of texts that are none."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_dir():
        return _folder(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise UserError(f"{path}: cannot read", error.strerror or str(error)) from None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.suffix.lower() == ".zip":
        return _zip(path)
    if not head:
        raise UserError(f"{path}: the file is empty", HOW_TO_EXPORT)
    kind = what_is(head)
    if kind:
        raise UserError(f"{path}: this is {kind}, not a chat export", HOW_TO_EXPORT)
    if re.search(r"\.crypt\d*$", path.name):
        raise UserError(f"{path}: this is an encrypted backup, not a chat export", HOW_TO_EXPORT)
    return [_file(path)], []


def _file(path: Path) -> Source:
    stat = path.stat()
    return Source(
        str(path), lambda: path.open("rb"), date.fromtimestamp(stat.st_mtime), stat.st_size
    )


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part == "__MACOSX" or part.startswith("._") for part in parts)


def _zip(path: Path) -> tuple[list[Source], list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path}: the archive is broken", str(error)) from None
    if len(members) > MAX_MEMBERS:
        raise UserError(f"{path}: {len(members):,} files in one archive", "this is no chat export")
    texts = []
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or re.match("[A-Za-z]:[\\\\/]", name):
            raise UserError(
                f"{path}: the archive names a file outside of itself ({name!r})",
                "it was not written by WhatsApp; nothing was read",
            )
        if name.lower().endswith(".txt") and not _hidden(name) and not member.is_dir():
            texts.append(member)
    found = [_member(path, member) for member in texts]
    if not found:
        raise UserError(f"{path}: no .txt file in the archive", HOW_TO_EXPORT)
    chosen, others = _choose(found)
    if chosen is None:
        raise UserError(f"{path}: no WhatsApp messages in {others[0]}", HOW_TO_EXPORT)
    return [chosen], others


def _member(path: Path, member: zipfile.ZipInfo) -> Source:
    name = f"{path}/{member.filename}"
    if member.flag_bits & 0x1:
        raise UserError(f"{name}: the archive is encrypted", UNLOCK)
    if member.file_size > MAX_UNPACKED and member.file_size > MAX_RATIO * member.compress_size:
        raise UserError(
            f"{name}: unpacks to {member.file_size >> 20:,} MB, {MAX_RATIO} times its packed size",
            "this looks like a zip bomb; unpack it yourself if you trust it",
        )

    def opener() -> IO[bytes]:
        return zipfile.ZipFile(path).open(member)

    try:
        modified = date(*member.date_time[:3])
    except ValueError:  # archives may leave the date out
        modified = date.fromtimestamp(path.stat().st_mtime)
    return Source(name, opener, modified, member.file_size)


def _choose(found: list[Source]) -> tuple[Source | None, list[str]]:
    """The chat among texts that lie side by side, and the names of the others.

    By content: the most header lines (share in the first part times size). A text that another
    one mentions is an attachment of that one, however long.
    """
    if len(found) == 1:
        return found[0], []
    scores: dict[str, float] = {}
    for source in found:
        head = source.head()
        text = head.decode(guess_encoding(head), errors="replace")
        if not what_is(head):
            scores[source.name] = _share(text) * source.size
    chats = [source for source in found if scores.get(source.name)]
    others = [source.name for source in found if not scores.get(source.name)]
    if len(chats) > 1:
        attached = {
            one.name
            for one in chats
            for other in chats
            if one is not other and _mentions(other, PurePosixPath(one.name).name)
        }
        if len(attached) < len(chats):
            others += sorted(attached)
            chats = [one for one in chats if one.name not in attached]
    chats.sort(key=lambda one: -scores[one.name])
    return (chats[0] if chats else None), others + [one.name for one in chats[1:]]


def _share(text: str) -> float:
    """Share of the lines that start with a header of one shape."""
    learned = learn(text, whole=False)
    if learned is None:
        return 0.0
    lines = text.count("\n") + 1
    return len(learned.header.findall("\r\n" + text if learned.crlf_only else "\n" + text)) / lines


def _mentions(source: Source, name: str) -> bool:
    wanted = name.encode()
    with source.open() as stream:
        before = b""
        while data := stream.read(CHUNK):
            if wanted in before + data:
                return True
            before = data[-len(wanted) :]
    return False


def _folder(path: Path) -> tuple[list[Source], list[str]]:
    chosen: list[Source] = []
    others: list[str] = []
    folders = [
        path,
        *sorted(p for p in path.rglob("*") if p.is_dir() and not _hidden(p.as_posix())),
    ]
    for folder in folders:
        files = sorted(p for p in folder.iterdir() if p.is_file() and not _hidden(p.as_posix()))
        for archive in (p for p in files if p.suffix.lower() == ".zip"):
            try:
                more, rest = _zip(archive)
            except UserError as error:
                others.append(str(error))
                continue
            chosen += more
            others += rest
        texts = [_file(p) for p in files if p.suffix.lower() == ".txt" and p.stat().st_size]
        chats = [
            source
            for source in texts
            if not what_is(source.head()) and _looks_like_chat(source.head())
        ]
        others += [source.name for source in texts if source not in chats]
        for source in chats:
            name = PurePosixPath(source.name).name
            if any(_mentions(other, name) for other in chats if other is not source):
                others.append(source.name)
            else:
                chosen.append(source)
    if not chosen:
        raise UserError(f"{path}: no chat export in this folder", HOW_TO_EXPORT)
    return chosen, others


def _looks_like_chat(head: bytes) -> bool:
    return learn(head.decode(guess_encoding(head), errors="replace"), whole=False) is not None
