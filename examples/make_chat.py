"""Write the example chat as the two files WhatsApp would export.

    python examples/make_chat.py [FOLDER]

reads ``chat/*.txt`` and writes an iOS export (a zip) and an Android export (a text file)
of the same chat into FOLDER, by default next to this script. The same source always gives
the same bytes, so ``git diff`` shows what an edit changed.

The source is meant to be edited by hand:

    == 2025-02-03                        a new day
    09:14 Asim: morning                  a message
    Asim: who took my charger            no time: some seconds after the line above
    09:31 Mina: Two lines;               indented lines go on with the message above
        this is the second.
    Jonas [photo]                        photo, video, gif, sticker, voice, contact
    Jonas [document]: rent.pdf, 3 pages
    Jonas [file]: list.txt               a document that is in the zip, from chat/files/
    Mina [location]: 54.1000,2.4000
    Asim [deleted]
    Asim [edited]: i said tuesday
    Bex [poll]: Pizza?                   then one indented "option = votes" per line
    Asim [call]: Missed voice call
    * Bex added Asim                     a system line, as the exporting phone shows it
    # a comment
"""

from __future__ import annotations

import re
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zlib import crc32

HERE = Path(__file__).parent
GROUP = "Gerald Support Group"
MEMBERS = ("Asim", "Bex", "Jonas", "Mina")
OWNER = "Mina"  # whose phone exports the chat: her deleted messages read "You deleted ..."
IOS_NAME = f"WhatsApp Chat - {GROUP}.zip"
ANDROID_NAME = f"WhatsApp Chat with {GROUP}.txt"

LRM, LRE, PDF, FSI, PDI, NBSP = "\u200e", "\u202a", "\u202c", "\u2068", "\u2069", "\u00a0"
MEDIA = {
    "photo": "image",
    "video": "video",
    "gif": "GIF",
    "sticker": "sticker",
    "voice": "audio",
    "contact": "Contact card",
    "document": "document",
    "file": "document",
}
KINDS = {"text", "edited", "deleted", "poll", "location", "call", "system", *MEDIA}
HEAD = re.compile(
    r"(?:(?P<time>\d\d:\d\d) )?"
    r"(?:\* (?P<system>.+)|(?P<sender>\+?[\w ]+?)(?: \[(?P<kind>\w+)\])?(?:: (?P<text>.*))?)"
)


@dataclass
class Message:
    time: datetime
    sender: str  # "" for a system line
    kind: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def read_source(folder: Path = HERE / "chat") -> list[Message]:
    """All messages of the chapters in order; ValueError names the file and line of a mistake."""
    messages: list[Message] = []
    for path in sorted(folder.glob("*.txt")):
        day = ""
        blanks = 0  # blank lines count only if the message goes on after them
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            try:
                if not line.strip():
                    blanks += 1
                    continue
                if line[0].isspace():
                    messages[-1].lines += [""] * blanks + [line.strip()]
                elif line.startswith("== "):
                    day = line[3:].strip()
                elif not line.startswith("#"):
                    messages.append(_read_head(line, day, messages[-1].time if messages else None))
            except (ValueError, IndexError) as error:
                raise ValueError(f"{path.name}:{number}: {error}: {line}") from None
            blanks = 0
    return messages


def _read_head(line: str, day: str, before: datetime | None) -> Message:
    match = HEAD.fullmatch(line)
    if not match:
        raise ValueError("not a message")
    kind = "system" if match["system"] else match["kind"] or "text"
    text = match["system"] or match["text"] or ""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind}")
    if not text and kind in {"text", "edited", "system", "poll", "location", "call", "file"}:
        raise ValueError("no text")
    chance = crc32(f"{day} {line}".encode())
    if match["time"]:
        minute = datetime.fromisoformat(f"{day} {match['time']}")
        time = minute + timedelta(seconds=chance % 40)
        if before and time <= before:
            time = before + timedelta(seconds=2 + chance % 4)
        if time >= minute + timedelta(minutes=1):
            raise ValueError(f"{match['time']} is over, the line above was at {before:%H:%M:%S}")
    elif before is None or f"{before:%Y-%m-%d}" != day:
        raise ValueError("the first message of a day needs a time")
    else:
        time = before + timedelta(seconds=2 + len(text) // 6 + chance % 5)
    return Message(time, match["sender"] or "", kind, [text] if text else [])


def _mentions(text: str) -> str:
    return re.sub(rf"(?<!\S)@({'|'.join(MEMBERS)})\b", rf"@{FSI}\1{PDI}", text)


def ios(messages: list[Message]) -> str:
    """The chat as in ``_chat.txt``: CRLF ends a message, LF a line inside it."""
    return "".join(_ios_line(index, message) + "\r\n" for index, message in enumerate(messages, 1))


def _ios_line(index: int, message: Message) -> str:
    sender, text, kind = message.sender or GROUP, message.text, message.kind
    if sender.startswith("+"):
        sender = LRE + sender.replace(" ", NBSP) + PDF
    front = ""
    if kind == "system":
        text = re.sub(r'created group ".+"', "created this group", text)
        body = LRM + re.sub(r'"([^"]+)"', r"“\1”", text)
    elif kind == "deleted":
        deleted = "You deleted this message." if sender == OWNER else "This message was deleted."
        body = LRM + deleted
    elif kind == "poll":
        body = f"{LRM}POLL:\n{message.lines[0]}" + "".join(
            f"\n{LRM}OPTION: {option} ({LRM}{votes})" for option, votes in _options(message)
        )
    elif kind == "location":
        body = f"{LRM}Location: https://maps.google.com/?q={text}"
    elif kind == "call":
        body = LRM + text
    elif kind == "file":
        front, body = LRM, f"{LRM}<attached: {index:08}-{text}>"
    elif kind in MEDIA:
        front, name = LRM, f"{text.replace(', ', f' • {LRM}')} " if text else ""
        body = f"{name}{LRM}{MEDIA[kind]} omitted"
    else:
        body = _mentions(text) + (f" {LRM}<This message was edited>" if kind == "edited" else "")
    return f"{front}[{message.time:%d/%m/%Y, %H:%M:%S}] {sender}: {body}"


def android(messages: list[Message]) -> str:
    """The chat as an Android phone writes it."""
    return "".join(_android_line(message) + "\n" for message in messages)


def _android_line(message: Message) -> str:
    text, kind = message.text, message.kind
    head = f"{message.time:%d/%m/%Y, %H:%M} - "
    if kind == "system":
        return head + text
    if kind == "deleted":
        body = "You deleted this message" if message.sender == OWNER else "This message was deleted"
    elif kind == "poll":
        body = f"POLL:\n{message.lines[0]}" + "".join(
            f"\nOPTION: {option} ({votes})" for option, votes in _options(message)
        )
    elif kind == "location":
        body = f"location: https://maps.google.com/?q={text}"
    elif kind in MEDIA:
        body = "<Media omitted>"
    elif kind == "call":
        body = text
    else:
        body = _mentions(text) + (" <This message was edited>" if kind == "edited" else "")
    return f"{head}{message.sender}: {body}"


def _options(message: Message) -> list[tuple[str, str]]:
    pairs = (line.rsplit(" = ", 1) for line in message.lines[1:])
    return [(option, f"{votes} vote{'' if votes == '1' else 's'}") for option, votes in pairs]


def write(folder: Path = HERE) -> list[Path]:
    """Write both exports into the folder; the same source gives the same bytes."""
    messages = read_source()
    folder.mkdir(parents=True, exist_ok=True)
    members = [("_chat.txt", ios(messages).encode())] + [
        (f"{index:08}-{message.text}", (HERE / "chat/files" / message.text).read_bytes())
        for index, message in enumerate(messages, 1)
        if message.kind == "file"
    ]
    with zipfile.ZipFile(folder / IOS_NAME, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, messages[-1].time.timetuple()[:6])
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, data)
    (folder / ANDROID_NAME).write_bytes(android(messages).encode())
    return [folder / IOS_NAME, folder / ANDROID_NAME]


if __name__ == "__main__":
    for written in write(*map(Path, sys.argv[1:2])):
        print(written)
