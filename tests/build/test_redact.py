"""What is taken out, what stays, and how the placeholders are numbered."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from planted import items

from asimbot_plugins.messages import Message
from asimbot_plugins.redaction.chat import redact_messages
from asimbot_plugins.redaction.names import names_in_chat, ordinary_names
from asimbot_plugins.redaction.placeholders import Finding, Numbering
from asimbot_plugins.redaction.redactor import KINDS, Redactor
from asimbot_plugins.tokens import TokenNames, clean_text

MEMBERS = ["Jonas", "Mina", "Bex", "Asim"]
ON = Redactor("on", MEMBERS)
STRICT = Redactor("strict", MEMBERS)


def test_two_hundred_pieces_are_planted_of_every_kind():
    assert sum(len(values) for _, _, values in items()) >= 200
    assert {kind for kind, _, _ in items()} == set(KINDS)
    assert all(value in text for _, text, values in items() for value in values)


@pytest.mark.parametrize(("kind", "text", "values"), items())
def test_planted_data_is_found_as_its_kind(kind, text, values):
    redacted = ON.redact(text)
    assert not [value for value in values if value.casefold() in redacted.casefold()]
    assert {finding.kind for finding in ON.find(text)} == {kind}


def test_wide_signs_and_foreign_digits_are_read_as_the_usual_ones():
    assert ON.redact("mail asim.h＠example.com") == "mail <EMAIL>"
    assert ON.redact("ring ＋４４ ２０ ７９４６ ０９５８") == "ring <PHONE>"
    assert ON.redact("اتصل على +٤٤٢٠٧٩٤٦٠٩٥٨") == "اتصل على <PHONE>"


@pytest.mark.parametrize(
    "text",
    [
        "see you at 18:30, or 6.45pm, or 7",
        "open 24/7 since 2019",
        "we won 3-2 and then 21-19, 19-21, 15-13",
        "that's £1,250.50 or €1.250,50 or 1 000 000 rupees or $20",
        "python 3.11.4, kernel 2.6.32.21, ubuntu 10.04.1, v1.2.3-rc1",
        "on 12/05/2024 and 2024-05-12 and 12.05.24",
        "bus 88, gate B12, room 101, size 42, 100% sure, 5th of may",
        "192.168.0.1 and 127.0.0.1 are anybody's",
        "1920x1080 at 60fps, 16GB, 500 mb, 2 TB",
        "10 minutes walk, 2 hours drive, 3 way split, 5 steps, a 2 lane road",
        "there were 12000 people, 1500000 views, the 1990s",
        "error code 4040, status code 5000",
        "isbn 978 is not one",
        "lol.it was great.so yes e.g. main.py and notes.md",
        "on the 18th of May 2025 we run",
        "will you come, may i, can u, so what",
        "42 42 42",
        "4 8 15 16 23 42",
        "2019-2020 and 2020/21",
        "ok 🫡 ¯\\_(ツ)_/¯ :) <3 </3 >:(",
        "im am supermarkt 3 tüten, unterwegs 10 min, nach 2 strassen links",
        "il y a 2 places pour nous, 3 routes possibles",
        "via email 3 times",
        "plan B. Then plan C.",
        "this is Sparta",
    ],
)
def test_ordinary_numbers_and_words_stay(text):
    assert ON.redact(text) == text


def test_findings_say_where():
    text = "mail a@example.com, ring 07700 900318"
    assert [f[:4] for f in ON.find(text)] == [
        ("EMAIL", 5, 18, "a@example.com"),
        ("PHONE", 25, 37, "07700 900318"),
    ]
    assert all(isinstance(f, Finding) and text[f.start : f.end] == f.text for f in ON.find(text))


def test_positions_count_invisible_marks():
    text = "ring \u202a+44\u00a07700\u2011900461\u202c now"
    (found,) = ON.find(text)
    assert text[found.start : found.end] == "+44\u00a07700\u2011900461"
    assert ON.redact(text) == "ring \u202a<PHONE>\u202c now"


def test_off_changes_nothing():
    text = "Jonas 07700 900318 a@example.com"
    assert Redactor("off", MEMBERS).redact(text) == text
    assert Redactor("off", MEMBERS).find(text) == []


@pytest.mark.parametrize(
    "value",
    ["23/04/1998", "771043551", "@some_handle", "Graham Plumley", "ABX9921Q7", "J. Verrall"],
)
def test_strict_takes_what_only_looks_personal(value):
    text = f"we met {value} there"
    assert ON.redact(text) == text
    assert value not in STRICT.redact(text)


def test_one_thing_has_one_placeholder_however_it_is_written():
    assert ON.redact("07700 900318, I repeat: 07700900318") == "<PHONE>, I repeat: <PHONE>"
    assert ON.redact("07700 900318 or +44 7700 900777 or (07700) 900318") == (
        "<PHONE_1> or <PHONE_2> or <PHONE_1>"
    )


def test_a_run_of_numbers_is_parted():
    assert ON.redact("07700 900318 07700 900777") == "<PHONE_1> <PHONE_2>"


def test_a_prompt_is_numbered_whatever_reply_follows():
    numbering = Numbering()
    assert numbering.place([ON.mark("ring 07700 900318")]) == ["ring <PHONE>"]
    reply = ON.mark("not 07700900318, 07700 900777")
    assert numbering.place([reply]) == ["not <PHONE>, <PHONE_2>"]


def test_members_take_their_role_where_they_have_one():
    redactor = Redactor("on", ["Jonas", "Mina", "Asim"], roles=True)
    numbering = Numbering({"Jonas": "USR_A", "Asim": "SYS"})
    marked = [
        redactor.mark("@\u2068Jonas\u2069 where is mina"),
        redactor.mark("JONAS, ask Asim's mum"),
    ]
    assert numbering.place(marked) == ["USR_A where is <NAME>", "USR_A, ask SYS's mum"]


def test_a_placeholder_that_somebody_typed_is_text():
    numbering = Numbering()
    marked = [ON.mark("he wrote <PHONE> lol, its 07700 900318"), ON.mark("07700 900777")]
    assert numbering.place(marked) == ["he wrote <PHONE> lol, its <PHONE_1>", "<PHONE_2>"]


def test_placeholders_are_no_control_tokens():
    for kind in KINDS:
        for placeholder in (f"<{kind}>", f"<{kind}_1>"):
            assert clean_text(placeholder, TokenNames()) == placeholder


def test_a_name_that_is_a_word_needs_its_capital():
    redactor = Redactor("on", ["Will", "May"])
    assert redactor.redact("will Will come in May or may he not") == (
        "will <NAME_1> come in <NAME_2> or may he not"
    )


def test_parts_of_a_name_count_and_particles_do_not():
    redactor = Redactor("on", ["Ana de la Cruz", "李小龙"])
    assert redactor.redact("ana said de la soul") == "<NAME> said de la soul"
    assert redactor.redact("Ana Cruz und 李小龙来了") == "<NAME_1> und <NAME_2>来了"


def test_an_unsaved_number_is_a_members_name():
    redactor = Redactor("on", ["+44 7700 900461", "X"], roles=True)
    marked = redactor.mark("@\u2068+44\u00a07700\u00a0900461\u2069 and @\u2068X\u2069")
    roles = {"+44 7700 900461": "USR_A", "X": "USR_B"}
    assert Numbering(roles).place([marked]) == ["USR_A and USR_B"]


def test_allowed_texts_and_kinds_left_out_stay():
    redactor = Redactor("on", ["Jonas"], allow=["0800 1111", "jonas"], kinds=["PHONE", "NAME"])
    text = "childline is 0800 1111, says jonas, a@example.com"
    assert redactor.redact(text) == text
    assert redactor.redact("07700 900318") == "<PHONE>"


def _chat(*texts: str, minutes: float = 1) -> list[Message]:
    start = datetime(2025, 1, 1, 12)
    return [
        Message(start + i * timedelta(minutes=minutes), "AB"[i % 2], text)
        for i, text in enumerate(texts)
    ]


def _redacted(messages: list[Message], redactor: Redactor = ON) -> list[str]:
    return [Numbering().place([m.text])[0] for m in redact_messages(messages, redactor)]


def test_the_question_makes_the_answer_a_code():
    assert _redacted(_chat("whats the door code?", "4471")) == ["whats the door code?", "<CODE>"]
    late = _redacted(_chat("whats the door code?", "4471", minutes=90))
    assert late == ["whats the door code?", "4471"]


def test_a_secret_found_once_is_taken_out_everywhere():
    texts = [
        "hunter22x again",
        "what",
        "my password is hunter22x",
        "so",
        "lol hunter22x hunter22xy",
    ]
    assert _redacted(_chat(*texts)) == [
        "<PASSWORD> again", "what", "my password is <PASSWORD>", "so", "lol <PASSWORD> hunter22xy",
    ]  # fmt: skip


def test_surnames_are_learnt_from_mail_addresses_unless_they_are_words():
    chat = [
        m._replace(sender="Asim")
        for m in _chat("asim.dallal@example.com", "asim.soup@example.com", *["soup"] * 4)
    ]
    assert names_in_chat(chat) == {"Asim": ["dallal"]}
    assert names_in_chat(chat, {"Asim": "Sim"}) == {"Sim": ["Asim", "dallal"]}


def test_a_nick_that_everybody_uses_as_a_word_is_one():
    people = {f"nick{i}": [] for i in range(40)} | {"linux": [], "Bex": []}
    chat = _chat(*["try linux on it bex"] * 20)
    chat.append(Message(datetime(2025, 1, 2), "linux", "hi"))
    chat += [Message(datetime(2025, 1, 2), "Bex", "yo")] * 9
    assert ordinary_names(chat, people) == {"linux"}
    few = {"linux": [], "Bex": []}
    assert ordinary_names(chat, few) == set()


def test_nothing_is_taken_twice():
    once = STRICT.redact("Jonas: 07700 900318, https://example.com/x, 88 Mercer Street")
    assert STRICT.redact(once) == once == "<NAME>: <PHONE>, <LINK>, <ADDRESS>"
