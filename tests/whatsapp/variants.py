# ruff: noqa: E501 - rows of a table
"""Every way in which WhatsApp is known to write an export, with the messages it stands for.

Each variant is (name, text, expected); a message is (ISO time, sender, text, kind). All lines were
composed for these tests. Invisible characters are spelled by name.
"""

from __future__ import annotations

from typing import NamedTuple

LRM, RLM, LRE, RLE, PDF = "\u200e", "\u200f", "\u202a", "\u202b", "\u202c"
FSI, PDI, BOM, NBSP, NNBSP = "\u2068", "\u2069", "\ufeff", "\u00a0", "\u202f"

Row = tuple[str, str | None, str, str]


class Variant(NamedTuple):
    name: str
    text: str
    expected: list[Row]


EVENING, MORNING = "2023-11-19T21:36", "2023-11-20T07:05"


def one_line(name: str, header: str, when: str, sender: str = "Nora", text: str = "ok") -> Variant:
    """A header with one authored line after it."""
    return Variant(name, f"{header}{sender}: {text}", [(when, sender, text, "text")])


E, ES = EVENING, EVENING + ":04"
N = NNBSP

ANDROID = [
    one_line("en-GB", "19/11/2023, 21:36 - ", E),
    one_line("en-US", "11/19/23, 9:36 PM - ", E),
    one_line("en-US NNBSP", f"11/19/23, 9:36{N}PM - ", E),
    one_line("en-IN lower case", f"19/11/23, 9:36{N}pm - ", E),
    one_line("de dots", "19.11.23, 21:36 - ", E, text="Brot ist da"),
    one_line("nl dashes", "19-11-2023 21:36 - ", E),
    one_line("sv ISO", "2023-11-19 21:36 - ", E),
    one_line("ja slashes year first", "2023/11/19 21:36 - ", E, text="パン"),
    one_line("year first unpadded", "2023/4/7 21:36 - ", "2023-04-07T21:36"),
    one_line("id dot in time", "19/11/23 21.36 - ", E),
    one_line("da", "19.11.2023 21.36 - ", E),
    one_line("fi klo", "19.11.2023 klo 21.36 - ", E),
    one_line("fr à", "19/11/2023 à 21:36 - ", E),
    one_line("fr-CA h", "2023-11-19 21 h 36 - ", E),
    one_line("hr", "19. 11. 2023. 21:36 - ", E),
    one_line("sk", "19. 11. 2023 21:36 - ", E),
    one_line("hu", "2023. 11. 19. 21:36 - ", E),
    one_line("bg г.", f"19.11.23{N}г., 21:36 - ", E, text="хляб"),
    one_line("bg г. ч.", f"19.11.23{N}г., 21:36{NBSP}ч. - ", E, text="хляб"),
    one_line("es p. m.", f"19/11/2023, 9:36{N}p.{NBSP}m. - ", E),
    one_line("es-CO plain p. m.", "19/11/23 9:36 p. m. - ", E),
    one_line("en-CA p.m.", "2023-11-19, 9:36 p.m. - ", E),
    one_line("zh 下午", "2023/11/19 下午9:36 - ", E, text="面包"),
    one_line("zh 年月日", "2023年11月19日 下午9:36 - ", E, text="面包"),
    one_line("zh-TW 晚上", "2023/11/19 晚上9:36 - ", E, text="麵包"),
    one_line("zh-TW 凌晨 12", "2023/11/19 凌晨12:10 - ", "2023-11-19T00:10", text="麵包"),
    one_line("zh-TW 中午", "2023/11/19 中午12:10 - ", "2023-11-19T12:10", text="麵包"),
    one_line("zh-TW 清晨", "2023/11/19 清晨6:10 - ", "2023-11-19T06:10", text="麵包"),
    one_line("ko 오후", "2023. 11. 19. 오후 9:36 - ", E, text="빵"),
    one_line("ko two-digit year", "23. 11. 19. 오후 9:36 - ", E, text="빵"),
    one_line("ko 년월일", "2023년 11월 19일 오후 9:36 - ", E, text="빵"),
    one_line("ja 午後0", "2023/11/19 午後0:36 - ", "2023-11-19T12:36", text="パン"),
    one_line("ja 午前0", "2023/11/19 午前0:36 - ", "2023-11-19T00:36", text="パン"),
    one_line("ja 午後11", "2023/11/19 午後11:36 - ", "2023-11-19T23:36", text="パン"),
    one_line("el μ.μ.", "19/11/23, 9:36 μ.μ. - ", E, "Άννα", "ψωμί"),
    one_line("el π.μ.", f"19/11/23, 12:36{N}π.μ. - ", "2023-11-19T00:36", "Άννα", "ψωμί"),
    one_line("tr ÖS", "19.11.2023 ÖS 9:36 - ", E, text="ekmek"),
    one_line("hi अपराह्न", "19/11/23, 9:36 अपराह्न - ", E, text="रोटी"),
    one_line("vi time first", "21:36, 19/11/2023 - ", E),
    one_line("vi SA/CH", "9:36 CH, 19/11/2023 - ", E),
    one_line("ar Latin digits", f"19{RLM}/11{RLM}/2023، 9:36 م - ", E, "سلمى", "خبز"),
    one_line("ar NBSP", f"19{RLM}/11{RLM}/2023، 9:36{NBSP}ص - ", "2023-11-19T09:36", "سلمى", "خبز"),
    one_line("ar digits", f"١٩{RLM}/١١{RLM}/٢٠٢٣، ٩:٣٦ م - ", E, "سلمى", "خبز"),
    one_line("fa digits", f"۲۰۲۳/۱۱/۱۹،{RLM} ۲۱:۳۶ - ", E, "سارا", "نان"),
    one_line("mr digits", "१९/११/२३, २१:३६ - ", E, "नोरा", "भाकरी"),
    one_line("bn digits", "১৯/১১/২৩, ৯:৩৬ PM - ", E, "নোরা", "রুটি"),
    one_line("he", "19.11.2023, 21:36 - ", E, "נועה", "לחם"),
    one_line("time first, month spelled out", "21:36, 19 Nov 2023 - ", E),
    one_line("month spelled out", "19 Nov 2023 21:36 - ", E),
    one_line("eu brackets", "2023/11/19 (21:36) - ", E),
    Variant(
        "12 and 24 hours mixed",
        "11/19/23 9:36 PM - Nora: rye\n11/20/23 07:05 - Teo: oats",
        [(E, "Nora", "rye", "text"), (MORNING, "Teo", "oats", "text")],
    ),
    Variant(
        "24 hours, then 12",
        "11/19/23, 21:36 - Nora: rye\n11/20/23, 7:05 AM - Teo: oats",
        [(E, "Nora", "rye", "text"), (MORNING, "Teo", "oats", "text")],
    ),
]

IOS = [
    one_line("iOS en-GB", "[19/11/2023, 21:36:04] ", ES),
    one_line("iOS en-US", f"[11/19/23, 9:36:04{N}PM] ", ES),
    one_line("iOS de 24 h", "[19.11.23, 21:36:04] ", ES),
    one_line("iOS de 12 h", f"[19.11.23, 9:36:04{N}PM] ", ES),
    one_line("iOS no comma", "[19/11/2023 21:36:04] ", ES),
    one_line("iOS cs", "[19.11.2023 21:36:04] ", ES),
    one_line("iOS fi", "[19.11.2023 klo 21.36.04] ", ES),
    one_line("iOS sv", "[2023-11-19 kl. 21:36:04] ", ES),
    one_line("iOS id", "[19/11/23 21.36.04] ", ES),
    one_line("iOS vi", "[21:36:04, 19/11/23] ", ES),
    one_line("iOS zh", "[2023/11/19 下午9:36:04] ", ES, text="面包"),
    one_line("iOS ko", "[2023. 11. 19. 오후 9:36:04] ", ES, text="빵"),
    one_line("iOS es-AR", f"[19/11/23, 9:36:04{N}p.{NBSP}m.] ", ES),
    one_line("iOS ar Latin", f"[{RLM}19{RLM}/11{RLM}/2023، 21:36:04] ", ES, "سلمى", "خبز"),
    one_line("iOS ar digits", f"[١٩{RLM}/١١{RLM}/٢٠٢٣، ٩:٣٦:٠٤{NBSP}م] ", ES, "سلمى", "خبز"),
    one_line("iOS fr-CA", "[2023-11-19, 21 h 36 min 04 s] ", ES),
    one_line("iOS hr", "[19. 11. 2023., 21:36:04] ", ES),
    one_line("iOS without seconds", "[19.11.23, 21:36] ", E),
]

LEGACY = [
    one_line("Thai year", "19/11/2566 21:36 - ", E, text="ขนมปัง"),
    one_line("Thai two-digit year", "19/11/66 21:36 - ", E, text="ขนมปัง"),
    one_line("BE", "[19/11/2566 BE, 21:36:04] ", ES),
    one_line("era R", "[11/19/R5, 21:36:04] ", ES),
    one_line("era H", "[4/19/H31, 21:36:04] ", "2019-04-19T21:36:04"),
    one_line("era R, nothing above 12", "[4/5/R5, 21:36:04] ", "2023-04-05T21:36:04"),
    one_line("era 令和", "[令和5年11月19日 21:36:04] ", ES),
    one_line("Jalali", f"[۱۴۰۲/۸/۲۸،{RLM} ۲۱:۳۶:۰۴] ", ES, "سارا", "نان"),
    one_line("Minguo", "[民國112/11/19 下午9:36:04] ", ES, text="麵包"),
    one_line("Hijri", "[٦/٥/١٤٤٥ هـ، ٩:٣٦:٠٤ م] ", ES, "سلمى", "خبز"),
    one_line("old iOS", "19/11/13 21:36:04: ", "2013-11-19T21:36:04"),
    one_line("old US iOS", "11/19/13, 9:36:04 PM: ", "2013-11-19T21:36:04"),
]

A = "19/11/2023, 21:36 - "
B = "20/11/2023, 07:05 - "
I1 = "[19/11/2023, 21:36:04] "
I2 = "[20/11/2023, 07:05:00] "
MS = MORNING + ":00"
NORA, TEO = (E, "Nora", "rye", "text"), (MORNING, "Teo", "oats", "text")
INORA, ITEO = (ES, "Nora", "rye", "text"), (MS, "Teo", "oats", "text")

FILES = [
    Variant("BOM", f"{BOM}{I1}Nora: rye\n{I2}Teo: oats", [INORA, ITEO]),
    Variant(
        "BOM before every header",
        f"{BOM}[19.11.23, 21:36:04] Nora: rye\n{BOM}[20.11.23, 07:05:00] Teo: oats",
        [INORA, ITEO],
    ),
    Variant(
        "LRM before bracket",
        f"{LRM}{I1}Nora: {LRM}sticker omitted",
        [(ES, "Nora", "sticker omitted", "media")],
    ),
    Variant("RLE before bracket", f"{RLE}{I1}Nora: rye", [INORA]),
    Variant("LRE before bracket", f"{LRE}{I1}Nora: rye\n{LRE}{I2}Teo: oats", [INORA, ITEO]),
    Variant(
        "CRLF ends, LF inside",
        f"{I1}Nora: rye\nspelt\r\n{I2}Teo: oats\r\n",
        [(ES, "Nora", "rye\nspelt", "text"), ITEO],
    ),
    Variant(
        "CRLF everywhere",
        f"{A}Nora: rye\r\nspelt\r\n{B}Teo: oats\r\n",
        [(E, "Nora", "rye\nspelt", "text"), TEO],
    ),
    Variant(
        "blank lines", f"{A}Nora: rye\n\n\nspelt\n{B}Teo: oats\n",
        [(E, "Nora", "rye\n\n\nspelt", "text"), TEO],
    ),
    Variant("empty body", f"{A}Nora: \n{B}Teo: oats", [(E, "Nora", "", "text"), TEO]),
    Variant("empty body, no space", f"{A}Nora:\n{B}Teo: oats", [(E, "Nora", "", "text"), TEO]),
    *(
        Variant(f"U+{ord(c):04X} inside", f"{A}Nora: rye{c}spelt\n{B}Teo: oats",
                [(E, "Nora", f"rye{c}spelt", "text"), TEO])
        for c in "\u2028\u2029\x85\x0b\x0c\x1c\x1e"
    ),
    Variant(
        "no folding",
        f"{A}Nora: ¼ ﬂour ② ：ｗ e\u0301 \U0001f469\u200d\U0001f373 می\u200cخواهم",
        [(E, "Nora", "¼ ﬂour ② ：ｗ e\u0301 \U0001f469\u200d\U0001f373 می\u200cخواهم", "text")],
    ),
    Variant("spaces kept", f"{A}Nora:  rye  \n{B}Teo: oats", [(E, "Nora", " rye  ", "text"), TEO]),
]  # fmt: skip

LOOKALIKES = [
    Variant(
        "date and time at the start of a line",
        f"{A}Nora: todo\n2023-12-01 06:00:00 knead\n06:30 - bake\n{B}Teo: oats",
        [(E, "Nora", "todo\n2023-12-01 06:00:00 knead\n06:30 - bake", "text"), TEO],
    ),
    Variant(
        "copied messages",
        f"{A}Nora: she wrote\n[18/11, 20:01] Teo: no rye\n{B}Teo: oats",
        [(E, "Nora", "she wrote\n[18/11, 20:01] Teo: no rye", "text"), TEO],
    ),
    Variant(
        "copied from the web",
        f"{A}Nora: she wrote\n[20:01, 18/11/2023] Teo: no rye\n{B}Teo: oats",
        [(E, "Nora", "she wrote\n[20:01, 18/11/2023] Teo: no rye", "text"), TEO],
    ),
    Variant(
        "Android in iOS",
        f"{I1}Nora: found\n18/11/2017, 20:01 - Teo: no rye\r\n{I2}Teo: oats\r\n",
        [(ES, "Nora", "found\n18/11/2017, 20:01 - Teo: no rye", "text"), ITEO],
    ),
    Variant(
        "Android in iOS, one message",
        f"{I1}Nora: found\n18/11/2017, 20:01 - Teo: no rye\n",
        [(ES, "Nora", "found\n18/11/2017, 20:01 - Teo: no rye", "text")],
    ),
    Variant(
        "header in mid-line",
        f"{A}Nora: log: 18/11/2023, 20:01 - Teo: no\n{B}Teo: oats",
        [(E, "Nora", "log: 18/11/2023, 20:01 - Teo: no", "text"), TEO],
    ),
    Variant(
        "own shape after LF in a CRLF file",
        f"{I1}Nora: look\n[18/11/2019, 20:01:00] Teo: no\r\n{I2}Teo: oats\r\n"
        "[20/11/2023, 07:06:00] Nora: rye\r\n",
        [
            (ES, "Nora", "look\n[18/11/2019, 20:01:00] Teo: no", "text"), ITEO,
            ("2023-11-20T07:06:00", "Nora", "rye", "text"),
        ],
    ),
    Variant(
        "impossible date",
        f"{A}Nora: see\n31/02/2023, 21:40 - Teo: no\n{B}Teo: oats",
        [(E, "Nora", "see\n31/02/2023, 21:40 - Teo: no", "text"), TEO],
    ),
]  # fmt: skip

SENDERS = [
    one_line("phone number", A, E, "+44 7700 900123", "rye?"),
    Variant(
        "phone number in LRE PDF",
        f"{I1}{LRE}+44{NBSP}7700{NBSP}900123{PDF}: rye?",
        [(ES, f"+44{NBSP}7700{NBSP}900123", "rye?", "text")],
    ),
    one_line("unsaved contact", I1, ES, f"~{N}Nora", "rye?"),
    one_line("unsaved contact, NBSP", I1, ES, f"~{NBSP}Nora", "rye?"),
    one_line("dash in name", A, E, "Nora - Bakery"),
    one_line("bracket in name", I1, ES, "[MC] Nora"),
    one_line("colon in name", A, E, "Unit:7C"),
    one_line("emoji, slash, digits", A, E, "🥖 Nora 9/5"),
    one_line(
        "long name", A, E,
        "Society of Sourdough Keepers, Rye Growers and Friends of the Old Mill at the River",
    ),
    Variant(
        "saved name with colon and space",
        f"{A}Mum: work: rye\n{B}Mum: work: oats",
        [(E, "Mum: work", "rye", "text"), (MORNING, "Mum: work", "oats", "text")],
    ),
    Variant(
        "colon in a body once",
        f"{A}Mum: note: rye\n{B}Mum: oats",
        [(E, "Mum", "note: rye", "text"), (MORNING, "Mum", "oats", "text")],
    ),
    one_line("Hebrew abbreviation", "19.11.2023, 21:36 - ", E, 'ד"ר נועה', "לחם"),
    one_line("apostrophe", A, E, "Nora O’Hara"),
    Variant(
        "no space after the colon",
        f"{A}Nora:rye\n{B}Teo:oats\n",
        [NORA, TEO],
    ),
]  # fmt: skip

CHANGED = "Nora changed their phone number to a new number. Tap to message or add the new number."
ENCRYPTED = (
    "Messages and calls are end-to-end encrypted. Only people in this chat can read, listen to, "
    "or share them."
)
SYSTEM = [
    Variant("no sender", f"{A}Nora added Teo\n{B}Teo: oats", [(E, None, "Nora added Teo", "system"), TEO]),
    Variant("no sender, one line", f"{A}Nora added Teo", [(E, None, "Nora added Teo", "system")]),
    Variant(
        "colon in a quoted name",
        f'{A}Nora created group "Bread: rye"\n{B}Teo: oats',
        [(E, None, 'Nora created group "Bread: rye"', "system"), TEO],
    ),
    Variant(
        "two quoted names",
        f'{A}Nora changed the group name from "Bread: rye" to "Bread: oats"',
        [(E, None, 'Nora changed the group name from "Bread: rye" to "Bread: oats"', "system")],
    ),
    Variant("number change", f"{A}{CHANGED}", [(E, None, CHANGED, "system")]),
    Variant(
        "security code and timer",
        f"{A}Your security code with Nora changed. Tap to learn more.\n"
        f"{B}Nora turned on disappearing messages. New messages will disappear after 24 hours.",
        [
            (E, None, "Your security code with Nora changed. Tap to learn more.", "system"),
            (MORNING, None, "Nora turned on disappearing messages. New messages will disappear "
             "after 24 hours.", "system"),
        ],
    ),
    Variant(
        "notice labelled with the contact",
        f"{I1}Nora: {LRM}{ENCRYPTED}\r\n{I2}Nora: oats",
        [(ES, "Nora", ENCRYPTED, "system"), (MS, "Nora", "oats", "text")],
    ),
    Variant(
        "notice labelled with the group",
        f"{I1}Bread Club: {LRM}Nora added you\r\n{I2}Nora: oats\r\n",
        [(ES, "Bread Club", "Nora added you", "system"), (MS, "Nora", "oats", "text")],
    ),
    Variant(
        "notice in Hebrew", f"{I1}מועדון: {RLM}נועה הוסיפה אותך\n{I2}נועה: לחם",
        [(ES, "מועדון", "נועה הוסיפה אותך", "system"), (MS, "נועה", "לחם", "text")],
    ),
    Variant(
        "older iOS without sender",
        f"{I1}Nora changed the subject to “Bread: now”\n{I2}Teo: oats",
        [(ES, None, "Nora changed the subject to “Bread: now”", "system"), ITEO],
    ),
    Variant(
        "unquoted colon, unseen actor",
        f"{A}Nora changed the topic: rye bread\n{B}Nora: oats",
        [(E, None, "Nora changed the topic: rye bread", "system"), (MORNING, "Nora", "oats", "text")],
    ),
    Variant(
        "first notice dated later",
        "19/11/2023, 21:36 - Messages and calls are end-to-end encrypted.\n"
        "02/11/2023, 09:00 - Nora: rye\n03/11/2023, 09:00 - Nora: spelt",
        [
            (E, None, "Messages and calls are end-to-end encrypted.", "system"),
            ("2023-11-02T09:00", "Nora", "rye", "text"),
            ("2023-11-03T09:00", "Nora", "spelt", "text"),
        ],
    ),
    Variant(
        "text with system words", f"{A}Nora: Teo left and I added salt",
        [(E, "Nora", "Teo left and I added salt", "text")],
    ),
    Variant(
        "German export without marks",
        "[19.11.23, 21:36:04] Nora: Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Mehr.\n"
        "[20.11.23, 07:05:00] Nora: Sticker weggelassen\n[20.11.23, 07:06:00] Nora: ja",
        [
            (ES, "Nora", "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Mehr.", "system"),
            (MS, "Nora", "Sticker weggelassen", "media"),
            ("2023-11-20T07:06:00", "Nora", "ja", "text"),
        ],
    ),
]  # fmt: skip


def kind(name: str, header: str, body: str, kind: str, text: str | None = None) -> Variant:
    """One line by Nora whose body is of some kind."""
    front = header.lstrip(LRM)
    when = ES if front.startswith("[") else E
    return Variant(name, f"{header}Nora: {body}", [(when, "Nora", text or body, kind)])


PHOTO = "00000007-PHOTO-2023-11-19-21-36-04.jpg"
KINDS = [
    kind("deleted Android", A, "This message was deleted", "deleted"),
    kind("deleted by me", A, "You deleted this message", "deleted"),
    kind("deleted iOS", I1, f"{LRM}You deleted this message.", "deleted", "You deleted this message."),
    kind("deleted iOS by admin", I1, f"{LRM}This message was deleted by admin Teo.", "deleted",
         "This message was deleted by admin Teo."),
    kind("deleted de", "19.11.23, 21:36 - ", "Du hast diese Nachricht gelöscht.", "deleted"),
    kind("deleted es", A, "Se eliminó este mensaje", "deleted"),
    kind("deleted fr", A, "Ce message a été supprimé", "deleted"),
    kind("deleted pt", A, "Mensagem apagada", "deleted"),
    kind("deleted it", A, "Questo messaggio è stato eliminato", "deleted"),
    kind("deleted tr", A, "Bu mesaj silindi", "deleted"),
    kind("deleted ru", A, "Данное сообщение удалено", "deleted"),
    kind("deleted id", A, "Pesan ini telah dihapus", "deleted"),
    kind("edited", A, "at six <This message was edited>", "text", "at six"),
    kind("edited iOS", I1, f"at six {LRM}<This message was edited>", "text", "at six"),
    kind("edited front mark", LRM + I1, f"at six {LRM}<This message was edited>", "text", "at six"),
    kind("edited es", A, "a las seis <Se editó este mensaje.>", "text", "a las seis"),
    kind("edited de", A, "um sechs <Diese Nachricht wurde bearbeitet.>", "text", "um sechs"),
    kind("edited after lines", A, "rye\nat six <This message was edited>", "text", "rye\nat six"),
    kind("caption", A, "<Media omitted>\nmy loaf", "media"),
    kind("omitted", A, "<Media omitted>", "media"),
    kind("omitted de", "19.11.23, 21:36 - ", "<Medien ausgeschlossen>", "media"),
    *(
        kind(f"omitted {words}", A, f"<{words}>", "media")
        for words in (
            "Multimedia omitido", "Archivo omitido", "Médias omis", "Media omessi", "Mídia oculta",
            "Ficheiro não revelado", "Без медиафайлов", "Media weggelaten", "Média vynechány",
            "Medya dahil edilmedi", "Media tidak disertakan", "मीडिया के बिना", "メディアなし",
            "忽略多媒體檔", "省略多媒体文件", "미디어 파일 제외됨", "המדיה לא נכללה",
            "تم استبعاد الوسائط", "Video message omitted",
        )
    ),
    kind("iOS omitted it", LRM + I1, f"{LRM}adesivo omesso", "media", "adesivo omesso"),
    kind("iOS omitted, language not listed", LRM + I1, f"{LRM}xuvo zepta", "media", "xuvo zepta"),
    kind("iOS omitted, no front mark", I1, f"{LRM}image omitted", "media", "image omitted"),
    kind("iOS omitted caption", LRM + I1, f"my loaf {LRM}image omitted", "media"),
    kind("iOS attached", LRM + I1, f"{LRM}<attached: {PHOTO}>", "media", f"<attached: {PHOTO}>"),
    kind("iOS attached fr", LRM + I1, f"{LRM}<pièce jointe : {PHOTO}>", "media",
         f"<pièce jointe : {PHOTO}>"),
    kind("iOS attached zh", LRM + I1, f"{LRM}<附件：{PHOTO}>", "media", f"<附件：{PHOTO}>"),
    kind("iOS attached caption", LRM + I1, f"my loaf {LRM}<attached: {PHOTO}>", "media"),
    kind("Android attached", A, "IMG-20231119-WA0007.jpg (file attached)", "media"),
    kind("Android attached caption", A, f"{LRM}IMG-20231119-WA0007.jpg (file attached)\nmy loaf",
         "media", "IMG-20231119-WA0007.jpg (file attached)\nmy loaf"),
    kind("Android attached de", A, "Rezept.pdf (Datei angehängt)", "media"),
    kind("Android attached es", A, "PTT-20231119-WA0001.opus (archivo adjunto)", "media"),
    kind("iOS document", LRM + I1, f"Recipe.pdf • {LRM}2 pages {LRM}document omitted", "media"),
    kind("contact card", A, "Teo Baker.vcf (file attached)", "media"),
    kind("iOS contact card", LRM + I1, f"{LRM}Contact card omitted", "media", "Contact card omitted"),
    kind("placeholder in a sentence", A, "all I see is <Media omitted> there", "text"),
    kind("angle brackets typed", A, "<3", "text"),
    kind("tag typed", A, "use <b>", "text"),
    kind("smiley", A, "fine :)", "text"),
    kind("location", A, "location: https://maps.google.com/?q=48.1,11.5", "media"),
    kind("location iOS", I1, f"{LRM}Location: https://maps.google.com/?q=48.1,11.5", "media",
         "Location: https://maps.google.com/?q=48.1,11.5"),
    kind("live location", A, "live location shared", "media"),
    Variant(
        "poll",
        f"{A}Nora: POLL:\nBread?\nOPTION: Rye (2 votes)\nOPTION: Oats (1 vote)\n{B}Teo: oats",
        [(E, "Nora", "POLL:\nBread?\nOPTION: Rye (2 votes)\nOPTION: Oats (1 vote)", "text"), TEO],
    ),
    Variant(
        "poll iOS",
        f"{LRM}{I1}Nora: {LRM}POLL:\nBread?\n{LRM}OPTION: Rye ({LRM}2 votes)\r\n{I2}Teo: oats",
        [(ES, "Nora", f"POLL:\nBread?\n{LRM}OPTION: Rye ({LRM}2 votes)", "text"), ITEO],
    ),
    kind("missed call", A, "Missed video call", "system"),
    kind("missed call iOS", I1, f"{LRM}Missed voice call, {LRM}Tap to call back", "system",
         f"Missed voice call, {LRM}Tap to call back"),
    kind("missed call es", A, "Llamada perdida", "system"),
    kind("view once", A, "null", "media"),
    kind("mention", I1, f"@{FSI}Teo Baker{PDI} and @447700900123?", "text"),
    kind("mention at the end", I1, f"hey @{FSI}Teo Baker{PDI}", "text"),
    Variant(
        "typed placeholder beside a real one",
        f"{I1}Nora: image omitted\r\n{LRM}{I2}Teo: {LRM}image omitted\r\n",
        [(ES, "Nora", "image omitted", "text"), (MS, "Teo", "image omitted", "media")],
    ),
    Variant(
        "placeholder in a language not listed",
        f"{A}Nora: <Zepta xuvo>\n{B}Teo: <Zepta xuvo>\n{B}Teo: oats",
        [(E, "Nora", "<Zepta xuvo>", "media"), (MORNING, "Teo", "<Zepta xuvo>", "media"), TEO],
    ),
]  # fmt: skip

ORDERS = [
    Variant(
        "above 12 anywhere",
        "04/05/2023, 10:00 - Nora: rye\n19/05/2023, 10:00 - Teo: oats",
        [("2023-05-04T10:00", "Nora", "rye", "text"), ("2023-05-19T10:00", "Teo", "oats", "text")],
    ),
    Variant(
        "above 12 anywhere, month first",
        "04/05/2023, 10:00 - Nora: rye\n04/19/2023, 10:00 - Teo: oats",
        [("2023-04-05T10:00", "Nora", "rye", "text"), ("2023-04-19T10:00", "Teo", "oats", "text")],
    ),
    Variant(
        "fewer steps back",
        "6/10/23, 10:00 - Nora: a\n6/12/23, 10:00 - Nora: b\n7/2/23, 10:00 - Nora: c",
        [
            ("2023-06-10T10:00", "Nora", "a", "text"), ("2023-06-12T10:00", "Nora", "b", "text"),
            ("2023-07-02T10:00", "Nora", "c", "text"),
        ],
    ),
    one_line("dots are day first", "04.05.23, 10:00 - ", "2023-05-04T10:00"),
    one_line("one American slash date", "4/5/23, 9:36 PM - ", "2023-04-05T21:36"),
    one_line("one British slash date", "04/05/2023, 21:36 - ", "2023-05-04T21:36"),
]  # fmt: skip

ALL = [
    *ANDROID, *IOS, *LEGACY, *FILES, *LOOKALIKES, *SENDERS, *SYSTEM, *KINDS, *ORDERS,
]  # fmt: skip
