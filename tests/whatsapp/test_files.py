"""Containers and encodings: archives, folders, broken and hostile files."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from asimbot_plugins.errors import UserError
from asimbot_plugins.whatsapp import read_export, source

IOS = (
    "[19/11/2023, 21:36:04] Nora: rye\r\n"
    "\u200e[20/11/2023, 07:05:00] Teo: \u200e<attached: 00000002-PHOTO-2023-11-20-07-05-00.jpg>\r\n"
)
ANDROID = "19/11/2023, 21:36 - Nora: rye\n20/11/2023, 07:05 - Teo: Bread.txt (file attached)\n"


def write_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text and text
    return text


def test_ios_archive(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "WhatsApp Chat - Nora.zip",
        {"_chat.txt": IOS, "00000002-PHOTO-2023-11-20-07-05-00.jpg": b"\xff\xd8\xff"},
    )
    chat = read_export(path)
    assert [m.kind for m in chat.messages] == ["text", "media"]
    assert chat.messages[1].attachment == "00000002-PHOTO-2023-11-20-07-05-00.jpg"
    assert chat.report.files[0].platform == "iOS"
    assert chat.report.chats[0].name == "WhatsApp Chat - Nora"


def test_android_archive_with_decoys(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "export.zip",
        {
            "A.txt": "just some notes\n" * 50,
            "_chat.txt": "not the chat, whatever its name says\n",
            "__MACOSX/._WhatsApp Chat with Nora.txt": ANDROID * 9,
            "._WhatsApp Chat with Nora.txt": ANDROID * 9,
            "WhatsApp Chat with Nora.txt": ANDROID,
            "Bread.txt": ANDROID.replace("Bread.txt (file attached)", "hi") * 20,
        },
    )
    chat = read_export(path)
    assert [m.text for m in chat.messages] == ["rye", "Bread.txt (file attached)"]
    assert chat.messages[1].attachment == "Bread.txt"
    skipped = " ".join(chat.report.skipped)
    assert "Bread.txt" in skipped and "MACOSX" not in skipped


def test_chat_in_a_folder_of_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "re-zipped.zip", {"Chat/_chat.txt": IOS, "Chat/x.jpg": b"x"})
    assert len(read_export(path).messages) == 2


def test_localised_member_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"Чат WhatsApp с контактом Нора.txt": ANDROID})
    assert len(read_export(path).messages) == 2


@pytest.mark.parametrize("name", ["../chat.txt", "/etc/chat.txt", "a/../../b.jpg", "C:\\chat.txt"])
def test_traversal(name: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"_chat.txt": IOS, name: IOS})
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "outside" in one_line(error)


def test_bomb_by_ratio(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("_chat.txt", "w") as member,
    ):
        member.write(IOS.encode())
        for _ in range(70):
            member.write(b"a" * (1 << 20))
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "zip bomb" in one_line(error)


def test_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    data = IOS.encode() + b"a" * 5_000_000
    path = write_zip(tmp_path / "bomb.zip", {"_chat.txt": data})
    raw = path.read_bytes().replace(struct.pack("<L", len(data)), struct.pack("<L", 200))
    path.write_bytes(raw)
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "broken" in one_line(error)


def test_encrypted(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"_chat.txt": IOS})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x03\x04") + 6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "encrypted" in one_line(error)


def test_truncated_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"_chat.txt": IOS})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "broken" in one_line(error)


def test_damaged_member(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("_chat.txt", IOS)
    raw = buffer.getvalue().replace(b"rye", b"RYE", 1)  # the checksum no longer fits
    path = tmp_path / "x.zip"
    path.write_bytes(raw)
    with pytest.raises(UserError) as error:
        read_export(path)
    assert "broken" in one_line(error)


@pytest.mark.parametrize(
    ("members", "says"),
    [({}, "no .txt"), ({"a.jpg": b"x"}, "no .txt"), ({"a.txt": "hello"}, "no WhatsApp messages")],
)
def test_archives_without_a_chat(members: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_export(write_zip(tmp_path / "x.zip", members))
    assert says in one_line(error)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "an image"),
        (b"SQLite format 3\0" + b"\0" * 99, "a database"),
        (b"%PDF-1.4", "a PDF"),
        (bytes(range(256)) * 20, "binary"),
        (b"hello\nworld\n", "no WhatsApp messages"),
        (b"\xff\xfe", "no WhatsApp messages"),
        (b"\n\n\n", "no WhatsApp messages"),
        (b"\xef\xbb\xbf", "no WhatsApp messages"),
    ],
)
def test_files_that_are_no_chat(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        read_export(path)
    assert says in one_line(error)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_export(tmp_path / "chat.txt")


def test_windows_1252(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("19.11.23, 21:36 - Jürgen: Brötchen – 3 €".encode("cp1252"))
    chat = read_export(path)
    assert chat.messages[0].sender == "Jürgen"
    assert chat.messages[0].text == "Brötchen – 3 €"
    assert chat.report.files[0].encoding == "cp1252"


def test_stray_bytes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes("19/11/2023, 21:36 - Nora: é\ufffd".encode() + b"\xff\xfe ok")
    chat = read_export(path)
    assert chat.messages[0].text == "é\ufffd\ufffd\ufffd ok"
    assert chat.report.files[0].undecodable == 2


def test_old_mac_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(ANDROID.replace("\n", "\r").encode())
    assert [m.text for m in read_export(path).messages] == ["rye", "Bread.txt (file attached)"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_chunk_borders(
    size: int, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the file is cut into chunks, the messages are the same."""
    text = IOS * 3 + "[20/11/2023, 08:00:00] Nora: long 🥖\nsecond\r\n third\n\nfourth\r\n" + IOS
    path = tmp_path / "chat.txt"
    path.write_bytes(text.encode(encoding))
    whole = read_export(path)
    monkeypatch.setattr(source, "CHUNK", size)
    pieces = read_export(path)
    assert pieces.messages == whole.messages
    assert pieces.report.to_dict() == whole.report.to_dict()
    assert whole.messages[6].text == "long 🥖\nsecond\n third\n\nfourth"


def test_folder_of_exports(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    (folder / "Nora").mkdir(parents=True)
    (folder / "Nora" / "_chat.txt").write_bytes(IOS.encode())
    (folder / "Nora" / "notes.txt").write_text("nothing")
    write_zip(folder / "Teo.zip", {"_chat.txt": IOS.replace("Nora", "Ida").replace("Teo", "Udo")})
    write_zip(folder / "broken.zip", {"a.jpg": b""})
    chat = read_export(folder)
    assert len(chat.messages) == 4
    assert [(span.start, span.stop) for span in chat.report.chats] == [(0, 2), (2, 4)]
    assert any("notes.txt" in name for name in chat.report.skipped)
    assert any("broken.zip" in name for name in chat.report.skipped)


def test_folder_without_a_chat(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no chat export in this folder"):
        read_export(tmp_path)
