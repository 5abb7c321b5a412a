"""The example chat: both exports follow from the source, and Asim sounds like Asim."""

from __future__ import annotations

import importlib.util
import re
import sys
import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PHRASES = re.compile(
    r"\b(wallah|big if true|say less|im (actually |so )?deceased|trust the process)\b"
)
EMOJI = "💀🫡"


def _load():
    spec = importlib.util.spec_from_file_location("make_chat", EXAMPLES / "make_chat.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


make_chat = _load()
MESSAGES = make_chat.read_source()
WRITTEN = [message for message in MESSAGES if message.kind in ("text", "edited")]
ASIM = [message.text for message in WRITTEN if message.sender == "Asim"]
OTHERS = [message.text for message in WRITTEN if message.sender in ("Bex", "Jonas", "Mina")]


def _turns(sender: str) -> list[int]:
    """How many messages someone sends before another speaks or three minutes pass."""
    turns: list[int] = []
    before = None
    for message in MESSAGES:
        if message.sender == sender:
            if (
                before
                and before.sender == sender
                and (message.time - before.time < timedelta(minutes=3))
            ):
                turns[-1] += 1
            else:
                turns.append(1)
        before = message
    return turns


def test_regenerating_gives_the_same_bytes(tmp_path):
    for path in make_chat.write(tmp_path):
        assert path.read_bytes() == (EXAMPLES / path.name).read_bytes(), (
            f"{path.name} is stale: run python examples/make_chat.py"
        )


def test_there_is_enough_of_it():
    by = Counter(message.sender for message in MESSAGES)
    assert len(MESSAGES) >= 1500
    assert by["Asim"] >= 450
    assert min(by[name] for name in make_chat.MEMBERS) >= 250


def test_time_never_goes_back():
    times = [message.time for message in MESSAGES]
    assert times == sorted(times)


def test_nobody_says_the_same_sentence_twice():
    said = Counter(
        words
        for message in WRITTEN
        if len(words := tuple(re.findall(r"[\w']+", message.text.lower()))) >= 4
    )
    assert [" ".join(words) for words, times in said.items() if times > 1] == []


def test_asim_writes_lower_case():
    names = re.compile(r"@(Asim|Bex|Jonas|Mina)\b")  # WhatsApp fills in the mentioned name
    assert [text for text in ASIM if re.search("[A-Z]", names.sub("", text))] == []


def test_asim_uses_no_full_stops_and_doubles_question_marks():
    assert [text for text in ASIM if re.search(r"\.(\s|$)", text)] == []
    assert [text for text in ASIM if re.search(r"(?<!\?)\?(?!\?)", text)] == []


def test_asim_has_two_emoji_and_they_end_the_burst():
    allowed = re.compile(rf"[^{EMOJI}\U00010000-\U0010ffff]+( [{EMOJI}]{{1,2}})?")
    assert [text for text in ASIM if not allowed.fullmatch(text)] == []
    assert sum(text[-1] in EMOJI for text in ASIM) >= 0.15 * len(ASIM)
    assert not any(set(EMOJI) & set(text) for text in OTHERS)


def test_asim_texts_in_bursts_and_the_others_do_not():
    def share(sender: str) -> float:
        turns = _turns(sender)
        return sum(turn > 1 for turn in turns) / len(turns)

    assert share("Asim") > 0.6
    assert max(share(name) for name in ("Bex", "Jonas", "Mina")) < 0.2


def test_asims_catch_phrases_are_his():
    def rate(texts: list[str]) -> float:
        return sum(bool(PHRASES.search(text.lower())) for text in texts) / len(texts)

    assert rate(ASIM) > 0.05
    assert rate(OTHERS) < 0.01
    spelt = Counter(re.findall(r"\b(teh|tmrw|prolly|defo|ur|u|bc)\b", " ".join(ASIM)))
    assert min(spelt.values()) >= 5 and len(spelt) == 7


def test_the_others_sound_different():
    def share(sender: str, pattern: str) -> float:
        texts = [message.text for message in WRITTEN if message.sender == sender]
        return sum(bool(re.search(pattern, text)) for text in texts) / len(texts)

    assert share("Bex", r"[A-Z]{3}") > 0.6 and share("Bex", "[😂🎉😭]|!!") > 0.5
    assert share("Jonas", r"[.?!:]") > 0.9 and share("Jonas", "!") < 0.02
    assert share("Mina", ";") > 0.2 and share("Mina", r"^[@A-Z\"]") > 0.95


def test_every_kind_of_line_occurs():
    kinds = Counter(message.kind for message in MESSAGES)
    assert set(kinds) == make_chat.KINDS
    assert any("\n" in message.text for message in WRITTEN if message.sender == "Asim")
    system = "\n".join(message.text for message in MESSAGES if message.kind == "system")
    for words in (
        "end-to-end encrypted",
        "created group",
        "added",
        "left",
        "security code",
        "changed the group name",
        "group's icon",
        "phone number",
    ):
        assert words in system
    deleted = {message.sender for message in MESSAGES if message.kind == "deleted"}
    assert {"Asim", make_chat.OWNER} <= deleted


def test_planted_personal_data_is_where_the_list_says():
    rows = (EXAMPLES / "chat" / "personal-data.tsv").read_text("utf-8").splitlines()[1:]
    assert len(rows) >= 40
    for row in rows:
        kind, sender, value = row.split("\t")
        assert any(value in m.text for m in MESSAGES if m.sender == sender), (kind, sender, value)


def test_personal_data_is_reserved_for_fiction():
    text = "\n".join(message.text for message in MESSAGES)
    hosts = re.findall(r"[@/]([\w-]+\.\w+(?:\.\w+)?)", text)
    assert hosts and set(hosts) <= {"example.com", "example.org"}
    mobiles = re.findall(r"\b07\d{3} \d{6}\b|\+44 \d{4} \d{6}", text)
    assert mobiles and all("7700 900" in number for number in mobiles)


def _plain(text: str) -> str:
    return re.sub("[\u200e\u202a\u202c\u2068\u2069]", "", text).replace("\u00a0", " ")


def _ios() -> list[tuple[str, str, str]]:
    with zipfile.ZipFile(EXAMPLES / make_chat.IOS_NAME) as archive:
        chat = archive.read("_chat.txt").decode()
    assert chat.endswith("\r\n")
    head = re.compile(r"\u200e?\[(\S+, \d\d:\d\d):\d\d\] ([^:]+): (.*)", re.DOTALL)
    return [
        (found[1], _plain(found[2]), _plain(found[3]))
        for line in chat.removesuffix("\r\n").split("\r\n")
        if (found := head.fullmatch(line))
    ]


def _android() -> list[tuple[str, str, str]]:
    chat = (EXAMPLES / make_chat.ANDROID_NAME).read_bytes().decode()
    assert "\r" not in chat
    parts = re.split(r"^(\d\d/\d\d/\d{4}, \d\d:\d\d) - ", chat, flags=re.MULTILINE)[1:]
    found = []
    for time, line in zip(parts[::2], parts[1::2], strict=True):
        who = re.match(rf"({'|'.join(make_chat.MEMBERS)}|\+[\d ]+): ", line)
        name = who[1] if who else make_chat.GROUP
        found.append((time, name, _plain(line[who.end() if who else 0 :]).removesuffix("\n")))
    return found


def test_both_exports_carry_the_same_messages():
    iphone, phone = _ios(), _android()
    assert [line[:2] for line in iphone] == [line[:2] for line in phone]
    assert len(iphone) == len(MESSAGES)
    for message, left, right in zip(MESSAGES, iphone, phone, strict=True):
        if message.kind in ("text", "edited", "poll", "call"):
            assert left[2] == right[2]
        if message.kind == "text":
            assert left[2] == message.text


@pytest.mark.parametrize(
    ("kind", "iphone", "phone"),
    [
        ("photo", "\u200eimage omitted", "<Media omitted>"),
        ("voice", "\u200eaudio omitted", "<Media omitted>"),
        ("file", "\u200e<attached: ", "<Media omitted>"),
        (
            "location",
            "\u200eLocation: https://maps.google.com/?q=54.",
            "location: https://maps.google.com/?q=54.",
        ),
        ("edited", " \u200e<This message was edited>", " <This message was edited>"),
        ("poll", "\u200ePOLL:\n", "POLL:\n"),
    ],
)
def test_special_lines_read_as_whatsapp_writes_them(kind, iphone, phone):
    some = [message for message in MESSAGES if message.kind == kind]
    assert iphone in make_chat.ios(some)
    assert phone in make_chat.android(some)


def test_marks_are_where_ios_puts_them():
    media = [message for message in MESSAGES if message.kind in make_chat.MEDIA]
    assert all(line.startswith("\u200e[") for line in make_chat.ios(media).split("\r\n")[:-1])
    deleted = [message for message in MESSAGES if message.kind == "deleted"]
    assert all(
        re.fullmatch(r"\[[^]]+\] \w+: \u200e(You|This message was) deleted.*\.", line)
        for line in make_chat.ios(deleted).split("\r\n")[:-1]
        if "You" in line
    )
    assert all(": \u200e" in line for line in make_chat.ios(deleted).split("\r\n")[:-1])


def test_attached_files_are_in_the_zip():
    with zipfile.ZipFile(EXAMPLES / make_chat.IOS_NAME) as archive:
        names = set(archive.namelist())
        chat = archive.read("_chat.txt").decode()
    attached = re.findall(r"<attached: ([^>]+)>", chat)
    assert attached and names == {"_chat.txt", *attached}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("09:14 Asim", "no text"),
        ("09:14 Asim [selfie]: hi", "unknown kind"),
        ("08:00 Asim: too early", "08:00 is over"),
        ("???", "not a message"),
    ],
)
def test_a_mistake_in_the_source_is_named_with_its_line(tmp_path, line, why):
    (tmp_path / "a.txt").write_text(f"== 2025-01-01\n09:00 Mina: Hello.\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=rf"a\.txt:3: {re.escape(why)}"):
        make_chat.read_source(tmp_path)
