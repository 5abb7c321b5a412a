# ruff: noqa: E501  (a pattern a line reads better than a broken one)
"""The words and shapes that ``redact`` looks for, in the languages of most WhatsApp users.

All patterns work on text whose digits are ASCII and whose spaces and hyphens are plain (see
``redact._plain``). They are tables on purpose: a new language is a few more words.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE


def _words(*alternatives: str) -> str:
    """Words of scripts with spaces need a border; those of the others don't."""
    spaced = [
        w for w in alternatives if not re.match(r"[\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7af]", w)
    ]
    joined = [w for w in alternatives if w not in spaced]
    inner = rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)"
    return f"(?:{inner}|{'|'.join(joined)})" if joined else inner


# --- links, mail, places on the map --------------------------------------------------------

EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,4}[^\W\d_]{2,24}(?![\w-])"
    r"|(?<![\w.+%-])[\w.+%-]{1,64} ?[\[(](?:at|@|arroba|ät)[\])] ?[\w-]+"
    r"(?: ?(?:[\[(](?:dot|punkt|punto|point|ponto)[\])]|\.) ?[\w-]+){1,3}",
    _I,
)
# Bare hosts: endings that are words ("is.it", "vale.es") or file types count only with a path.
_SURE_TLD = (
    "com|org|net|edu|gov|info|biz|dev|app|io|eu|co\\.uk|org\\.uk|ac\\.uk|com\\.br|com\\.au|com\\.mx|"
    "co\\.in|uk|fr|nl|pt|br|ru|ch|xyz|shop|site|online|link|page|example"
)
LINK = re.compile(
    r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,12}://|www\.)[^\s<>\"“”]+"
    rf"|(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,4}}(?:{_SURE_TLD})(?![\w-]|\.\w)(?::\d{{2,5}})?(?:/[^\s<>\"“”]*)?"
    r"|(?<![\w@.-])(?:[\w-]{1,63}\.){1,4}[a-z]{2,8}/(?=\w)[^\s<>\"“”]+",
    _I,
)
LOCATION = re.compile(
    r"(?<![\d.])[-+]?\d{1,2}\.\d{3,}°?\s?[NS]?\s?[,;]\s?[-+]?\d{1,3}\.\d{3,}°?\s?[EWO]?(?![\d.])"
    r"|\b\d{1,2}°\s?\d{1,2}['′]\s?[\d.]*[\"″]?\s?[NS]\W{0,3}\d{1,3}°\s?\d{1,2}['′]\s?[\d.]*[\"″]?\s?[EWO]\b"
    r"|(?<!/)///[^\W\d_]{3,}\.[^\W\d_]{3,}\.[^\W\d_]{3,}",
    _I,
)
IP = re.compile(
    r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){2,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?(?![\w:])"
    r"|(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])",
    _I,
)

# --- numbers -------------------------------------------------------------------------------

IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
DIGIT_GROUPS = re.compile(
    r"(?<![\w.,:/#$€£+-])(?:\+|\(\+?)?\d(?:[ ().\-/]{0,3}\d){5,60}(?!\w)(?![.,:/-]\d)"
)
"""Runs of six digits and more with the separators of telephone, card and account numbers."""
DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}"
    r"|\d{1,2}(?:st|nd|rd|th|º|\.)?\s?(?:de\s|of\s)?[^\W\d_]{3,10}\.?,?\s(?:de\s)?(?:19|20)\d{2}"
    r"|[^\W\d_]{3,10}\s\d{1,2}(?:st|nd|rd|th)?,?\s(?:19|20)\d{2})"
)
FULL_DATE = re.compile(rf"(?<![\w./-]){DATE}(?![\w/-])", _I)
ID_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?=[A-HJ-NPR-Z\d]*\d{4})(?=(?:[A-HJ-NPR-Z]*\d){5})(?=(?:\d*[A-HJ-NPR-Z]){3})[A-HJ-NPR-Z\d]{17}"  # VIN
    r"|[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?=[^A-Za-z0-9]|$)"  # UK national insurance
    r"|(?!000|666)[0-8]\d{2}-\d{2}-\d{4}"  # US social security
    r"|[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"  # Italian codice fiscale
    r"|[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3}(?: ?\d{2})"  # French NIR
    r"|\d{8}-?[A-HJ-NP-TV-Z]|[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]"  # Spanish DNI and NIE
    r"|\d{3}\.\d{3}\.\d{3}-\d{2}"  # Brazilian CPF
    r"|[A-Z]{5}\d{4}[A-Z]"  # Indian PAN
    r"|[A-Z]{3,4}\d{6}(?:[HM][A-Z]{5}[A-Z\d]\d|[A-Z\d]{3})"  # Mexican CURP and RFC
    r"|\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"  # Belgian national number
    r"|756\.\d{4}\.\d{4}\.\d{2}"  # Swiss AHV
    r")(?![A-Za-z0-9])",
    _I,
)
PLATE_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{2}\d{2} [A-Z]{3}|[A-Z]{2}-\d{3}-[A-Z]{2}"
    r"|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}[EH]?)(?![A-Za-z0-9])"
)

# --- cues: words that make a short value personal -------------------------------------------

CODE_CUE = re.compile(
    _words(
        r"codes?", r"pass ?codes?", r"pins?(?: code| number)?", r"pin-?codes?", r"otps?", r"2fa", r"mfa",
        r"one[- ]time (?:code|password|pin)", r"verif\w*", r"tans?", r"(?:bestätigungs|sicherheits|zugangs|tür)codes?",
        r"código(?:s)?", r"codigos?", r"clave", r"cod", r"codice", r"codici", r"kodu?", r"kode", r"koden", r"kod",
        r"şifre\w*", r"код\w*", r"пин", r"رمز", r"الرمز", r"كود", r"קוד", r"कोड", r"ओटीपी", r"mã", r"κωδικ\w+",
        r"验证码", r"驗證碼", r"密码", r"コード", r"暗証番号", r"認証番号", r"코드", r"인증번호", r"비밀번호", r"รหัส",
    ),
    _I,
)  # fmt: skip
NOT_A_CODE = re.compile(
    r"(?:sort|error|errors|exit|status|zip|area|country|source|fehler|return|colou?r|hex|dress|bar|qr|postal"
    r"|http|morse|machine|python|legacy|open|binary)[- ]?$",
    _I,
)
PASSWORD_CUE = re.compile(
    _words(
        r"passwords?", r"passwort\w*", r"pass ?phrase", r"passwd", r"pwd?", r"pass ?word", r"kennwort", r"passcode",
        r"mots? de passe", r"mdp", r"contraseñas?", r"contrasenas?", r"clave", r"senhas?", r"palavra-passe",
        r"wachtwoord\w*", r"haslo", r"hasło", r"lösenord\w*", r"adgangskode", r"passord\w*", r"salasana",
        r"şifre\w*", r"parola", r"пароль", r"пароля", r"сисма", r"سيسما", r"كلمة السر", r"סיסמה", r"पासवर्ड",
        r"密码", r"密碼", r"パスワード", r"비밀번호", r"รหัสผ่าน", r"kata sandi", r"mật khẩu",
        r"wi-?fi (?:key|code)", r"wlan-?schlüssel", r"log ?in details", r"credentials",
    ),
    _I,
)  # fmt: skip
SPOKEN_PASSWORD = re.compile(
    r"(?<!\w)(?:password|passwort|passwd|pwd?|pass ?phrase|kennwort|mot de passe|mdp|contraseña|contrasena|clave|senha"
    r"|palavra-passe|wachtwoord|hasło|haslo|lösenord\w*|passord\w*|adgangskode|salasana|parola|şifre\w*|пароль)"
    r"(?:[^\S\n]*(?:[:=]|->)[^\S\n]*|[^\S\n]+(?:is|ist|lautet|est|es|è|é|e|jest|är|er)[^\S\n]*:?[^\S\n]+)"
    r"[\"'`“‘«]?(?P<value>[^\s\"'`”’»]{4,64})",
    _I,
)
ACCOUNT_CUE = re.compile(
    _words(
        r"accounts?(?: (?:no|number))?", r"acct", r"a/c", r"sort ?codes?", r"routing", r"konto\w*", r"kto", r"blz",
        r"comptes?", r"rib", r"cuentas?", r"conto", r"contas?", r"rekening\w*", r"agência", r"clabe", r"ifsc",
        r"bsb", r"iban", r"bank", r"счет", r"счёт", r"hesap",
    ),
    _I,
)  # fmt: skip
CARD_CUE = re.compile(
    _words(
        r"cards?", r"visa", r"master ?card", r"amex", r"\w*karten?\w*", r"cartes?", r"tarjetas?", r"cart[aã]o?",
        r"carte?", r"kaarte?n?", r"kort\w*", r"karta", r"kartę", r"kart\w*", r"карта", r"карты",
    ),
    _I,
)  # fmt: skip
ID_CUE = re.compile(
    _words(
        r"ref(?:erence|s)?", r"refs?\.?", r"booking", r"reservations?", r"member(?:ship)?", r"case",
        r"order(?: (?:no|number|id))?", r"passport", r"licen[cs]e", r"policy", r"tracking", r"parcel", r"invoice",
        r"customer", r"ticket", r"confirmation", r"claim", r"serial", r"imei", r"national insurance", r"ssn",
        r"social security", r"nhs(?: number)?", r"student (?:id|number)", r"patient", r"vin", r"pnr", r"id(?: card| number)?",
        r"tax (?:id|number|code)", r"nino",
        r"(?:kunden|rechnungs|auftrags|bestell|vorgangs|steuer|ausweis|versicherungs|sendungs|buchungs|akten)\w*",
        r"aktenzeichen", r"personalausweis\w*", r"reisepass\w*", r"référence", r"dossier", r"réservation", r"passeport",
        r"numéro (?:de )?(?:client|sécu\w*|commande)", r"sécu", r"colis", r"referencia", r"reserva", r"pedido", r"pasaporte",
        r"expediente", r"dni", r"nie", r"nif", r"cpf", r"rg", r"riferimento", r"prenotazione", r"passaporto", r"pratica",
        r"codice fiscale", r"ordine", r"referentie", r"boeking", r"paspoort", r"bsn", r"klantnummer", r"pesel",
        r"personnummer", r"cpr", r"aadhaar", r"aadhar", r"pan", r"паспорт", r"инн", r"снилс", r"tc kimlik",
    ),
    _I,
)  # fmt: skip
PLATE_CUE = re.compile(
    _words(
        r"(?:number ?)?plates?", r"reg(?:istration)?", r"licen[cs]e plate", r"kennzeichen", r"nummernschild",
        r"plaque", r"immatriculation", r"matrícula", r"matricula", r"targa", r"kenteken", r"placa",
    ),
    _I,
)  # fmt: skip
BIRTH_CUE = re.compile(
    _words(
        r"born", r"birth ?(?:day|date)s?", r"bday", r"d\.?o\.?b\.?", r"date of birth", r"geboren", r"geburts\w+",
        r"geb\.?", r"née?", r"naissance", r"anniversaire", r"nacid[oa]", r"nacimiento", r"cumple\w*", r"nat[oa]",
        r"nascita", r"compleanno", r"nascid[oa]", r"nascimento", r"aniversário", r"geboorte\w*", r"verjaardag",
        r"född", r"født", r"urodz\w+", r"родил\w+", r"рождения", r"doğum\w*",
    ),
    _I,
)  # fmt: skip
PHONE_CUE = re.compile(
    _words(
        r"call(?: me)?", r"ring", r"phone", r"mobile", r"cell", r"tel(?:\.|efon\w*|éfono|efono|éphone|efone)?",
        r"number", r"nr\.?", r"num(?:ber|éro|ero)?", r"número", r"numero", r"whats ?app", r"text me", r"handy\w*",
        r"nummer", r"anrufen", r"portable", r"appelle\w*", r"móvil", r"movil", r"llama\w*", r"cellulare", r"chiama\w*",
        r"celular", r"telemóvel", r"liga\w*", r"bel(?:len)?", r"nummer", r"телефон", r"номер", r"mobil\w*", r"ring",
    ),
    _I,
)  # fmt: skip

# --- names -----------------------------------------------------------------------------------

_NAME = r"[^\W\d_a-z][\w'’-]+"
TITLED = re.compile(
    r"(?<!\w)(?:Mrs?|Ms|Miss|Dr|Prof|Sir|Herrn?|Frau|Hr|Fr|Mme|Mlle|Monsieur|Madame|Señora?|Sra?|Don|Doña"
    r"|Signora?|Sig|Sig\.ra|Senhora?|Dona|Meneer|Mevrouw|Dhr|Mevr|Pan[ia]?|Pán|Bay|Bayan)"
    rf"\.? (?P<value>(?:[A-Z]\. ?)?{_NAME}(?: (?:de|da|di|van|von|der|la|el|al) ?)?(?:[ ]{_NAME})?)"
)
INTRODUCED = re.compile(
    r"(?:\b[Mm]y name is|\b[Mm]y name's|\b[Tt]his is|\b(?:[Hh]er|[Hh]is|[Tt]heir) name is|\b[Ii]ch heiße|\b[Mm]ein Name ist"
    r"|\b[Jj]e m['’]appelle|\b[Mm]e llamo|\b[Mm]i nombre es|\b[Mm]i chiamo|\b[Ii]k heet|\b[Mm]ijn naam is|\b[Mm]eu nome é"
    r"|\b[Mm]e chamo|\b[Mm]enya zovut|\b[Mm]am na imię|\b[Jj]ag heter|\b[Мм]еня зовут|\b[Aa]dım)"
    rf" (?P<value>{_NAME}(?: (?:(?:de|da|di|van|von|der|la) )*{_NAME})*)"
)
"""``this is`` counts only before two names in a row: see ``redact``."""
MENTION = re.compile("@\u2068~?\\s?[^\u2068\u2069\\n]{1,80}\u2069|(?<![\\w@])@\\d{7,20}(?!\\w)")
HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z_][\w.]{2,29}(?!\w)")

# --- addresses -------------------------------------------------------------------------------

_LETTER = r"[^\W\d_]"
_CAP = r"[A-ZÀ-ÖØ-ÞŁŚŻŽŠČ]"
_EN_SURE = "street|road|avenue|lane|crescent|terrace|boulevard|blvd|rd|ave|ln|mews|parkway|pkwy|highway|hwy|cul-de-sac"
_EN_MAYBE = (
    "st|drive|dr|court|ct|row|place|pl|square|sq|close|way|gardens|grove|hill|park|steps|walk|parade|view|quay"
    "|wharf|rise|yard|green|circle|cir|alley|promenade|esplanade|broadway|heights|villas|loop|trail|crossing"
)
_NOT_STREET = (
    r"(?:\d+|mins?|minutes?|hours?|hrs?|seconds?|secs?|days?|weeks?|months?|years?|miles?|kms?|metres?|meters?|m|ft|am|pm"
    r"|way|ways|the|a|an|of|to|for|in|on|at|and|or|is|it|its|my|your|ur|u|by|more|people|times?|from|one|two|other|lane"
    r"|gb|mb|kb|x|percent|degrees?|pounds?|quid|euros?|dollars?|bucks?|new|big|little|good|bad|easy|down|up)\b"
)
_UNIT = (
    r"(?:(?i:flat|apt\.?|apartment|unit|suite|room|house|piso|apto\.?|appartement|wohnung|bâtiment|bât\.?)"
    r" ?(?:no\.? ?)?\d*[a-z]?\d*, ?)?"
)
_TAIL_TOWN = rf"(?:,? (?:\d{{4,5}} )?{_CAP}[\w'’-]+(?:[ -](?:on|upon|in|am|an der|sur|la|le|de|del)?[ -]?{_CAP}?[\w'’-]+)?)"
POSTCODE_UK = (
    r"(?:(?!PM|AM)[A-Z]{1,2}\d[A-Z\d]? ?\d(?!GB|TB|BG|AM|PM|ST|ND|RD|TH)[ABD-HJLNP-UW-Z]{2})"
)
_END = rf"(?:,? [A-Za-z]+-(?:on|upon|in|by|le|sur)-[A-Za-z]+)?(?:(?:,\s?|\s)(?:[A-Z][\w'’-]+,?\s)?{POSTCODE_UK}\b)?"
_US_END = r"(?:,? (?:apt|unit|suite|#) ?\w{1,5})?(?:,? [A-Z][\w .'’-]{2,25})?(?:,? [A-Z]{2} \d{5}(?:-\d{4})?)?"
_ROMANCE = (
    r"rue|avenue|av\.|boulevard|bd\.?|place|allées?|chemin|impasse|quai|cours|passage|promenade|route d\w+|square"
    r"|calle|c/|avda\.?|avenida|plaza|plaça|paseo|passeig|carrer|camino|ronda|travesía|glorieta|cra\.?|carrera"
    r"|rua|travessa|praça|estrada|alameda|rodovia|largo d\w+"
    r"|viale|piazza|piazzale|corso|vicolo|strada|lungotevere|contrada"
)
_AFTER = r"(?:(?<=[./])|(?!\w))"
_FRENCH = r"rue|avenue|av\.|boulevard|bd\.?|allées?|chemin|impasse|quai|faubourg|calle|rua|viale|promenade"
_NUMBERED = rf"(?:n[ºo°.]{{0,2}} ?|num\.? ?)?\d{{1,5}}(?: ?(?:bis|ter)|{_LETTER})?(?![\w/:]|[.,]\d)"
_ROM_NAME = r"(?:(?:d['’]|l['’])?[^\W\d_][\w'’.-]*)"
ADDRESSES: list[re.Pattern[str]] = [
    # 88a Mercer Street · Flat 2, 14 Tansy Row · 1600 Pennsylvania Avenue NW
    re.compile(
        rf"(?<![\w.,:/-]){_UNIT}\d{{1,5}}(?:-\d{{1,4}})? ?[a-z]?,? (?:(?!{_NOT_STREET})[\w'’.-]+ ){{1,3}}?"
        rf"(?:{_EN_SURE})\b\.?(?: [NSEW]{{1,2}}\b)?{_END}",
        _I,
    ),
    # the same with a street word that is an ordinary word too: not after "minutes", "way", …
    re.compile(
        rf"(?<![\w.,:/-]){_UNIT}\d{{1,5}}[A-Za-z]? (?:{_CAP}[\w'’.-]+ ){{1,3}}"
        rf"(?:{'|'.join(w.capitalize() for w in _EN_MAYBE.split('|'))}|{_EN_MAYBE.upper()})\b\.?{_END}"
    ),
    re.compile(rf"(?<![\w.,:/-]){_UNIT}\d{{1,4}}[a-z]? (?!{_NOT_STREET})[a-z'-]{{4,}} (?:row|court|gardens|crescent|promenade|villas)\b{_END}", _I),
    # Bluebell Court 12
    re.compile(rf"(?<!\w)(?:{_CAP}[\w'’-]+ ){{1,3}}(?:Court|House|Street|Road|Lane|Avenue|Tower|Mansions|Close|Gardens) \d{{1,4}}[A-Za-z]?\b(?!:)(?:, (?:ground|first|second|third|fourth|fifth|top|\w+th) floor)?"),
    # 12 rue de la Paix, 75002 Paris · 3 promenade steps · 8 place Bellecour
    re.compile(
        rf"(?<![\w.,:/-])\d{{1,4}}(?: ?(?:bis|ter|quater))?,? (?:(?:{_FRENCH}){_AFTER}|(?-i:place|square|passage|cours|route)"
        rf"(?= (?:du |des |de |d['’])?(?:l[ae']s? ?)?(?-i:{_CAP})))"
        rf" (?:(?:de la|de l['’]|du|des|de|d['’]|la|le|les) ?)*{_ROM_NAME}(?:[ -](?-i:{_CAP})[\w'’-]+){{0,3}}"
        rf"(?:, {_LETTER}+-(?:on|sur|de|by)-{_LETTER}+)?(?:,? \d{{5}}(?: (?-i:{_CAP})[\w'’-]+)*)?",
        _I,
    ),
    # Calle Mayor 5 · C/ de Atocha, 27 · Rua Augusta, 1508 · Via Roma 10, 20121 Milano
    re.compile(
        rf"(?<!\w)(?:(?i:{_ROMANCE}){_AFTER}|Via(?= )) ?(?:(?i:de la|de los|de las|del|dell['’]|della|dei|delle|degli|de|da|do"
        rf"|dos|das|di|du|des|d['’]|la|el|los|las|san|santa) ?)*"
        rf"{_ROM_NAME}(?: (?:(?:de|del|da|do|di|e|y|i) )?{_CAP}[\w'’.-]*){{0,4}},? {_NUMBERED}"
        rf"(?:,? (?:\d+[ºªo°](?: ?{_LETTER})?|piso \w+|apto\.? ?\w+|bajo|dcha|izda|int\.? ?\d+))*"
        rf"(?:,? (?:\d{{5}}(?:-\d{{3}})?|\d{{4}}-\d{{3}})(?: {_CAP}[\w'’-]+)*)?",
    ),
    # Hauptstraße 12a, 10115 Berlin · Lindenlaan 4; words that are no names need a capital
    re.compile(
        rf"(?<!\w)(?:(?:(?-i:{_CAP})[\w'’.-]*[ -]){{0,3}}{_LETTER}[\w'’-]*[- ]?(?:straße|strasse|str\.|gasse|allee|chaussee)"
        r"|[^\W\d_]{3,}(?:straat|laan|plein|gracht|dijk|singel|steeg|dreef|plantsoen|gatan|vägen|veien|vegen|stræde|gränd))"
        rf" \d{{1,4}}(?!\d)(?: ?[a-h](?!\w))?(?:-\d{{1,3}}(?!\d))?(?![:.]\d)"
        rf"(?:,? (?:D-|A-|CH-|NL-)?\d{{4,5}}(?: ?[A-Z]{{2}}\b)? (?-i:{_CAP})[\w'’-]+)?",
        _I,
    ),
    re.compile(
        rf"(?<!\w)(?:(?:(?:Am|An|Im|In|Auf|Zum|Zur|Unter) (?:de[rmn] )?)?(?:{_CAP}[\w'’-]*[- ])?{_CAP}{_LETTER}{{1,}}-?"
        r"(?:[Pp]latz|[Ww]eg|[Rr]ing|[Mm]arkt|[Hh]of|graben|stieg|brücke|ufer|damm|steig|kade|weg|gata|gade|vej|katu|kuja))"
        rf" \d{{1,4}}(?: ?[a-h](?!\w))?(?=\s*(?:$|[,.;!?)\n]|🎉|\d{{5}}))(?:,? (?:D-|A-|CH-|NL-)?\d{{4,5}}(?: ?[A-Z]{{2}}\b)? {_CAP}[\w'’-]+)?",
    ),
    re.compile(
        rf"(?<!\w)(?:Am|An|Im|Auf|Zum|Zur) (?:de[rmn] )?(?:{_CAP}[\w-]+ ){{0,2}}(?:Platz|Markt|Hof|Ring|Weg|Graben|Ufer|Wall)"
        rf" \d{{1,4}}[a-h]?(?!\w)(?:,? \d{{4,5}} {_CAP}[\w'’-]+)?"
    ),
    # ul. Długa 5/7 · Atatürk Caddesi No: 12 · ул. Ленина, д. 10 · ulice
    re.compile(
        rf"(?<!\w)(?:ul\.|ulica|ulice|al\.|aleja|os\.|pl\.) ?{_LETTER}[\w.-]*(?: {_CAP}[\w-]+){{0,2}} \d{{1,4}}[a-z]?(?:/\d{{1,4}})?(?: ?m\.? ?\d+)?"
        rf"|(?<!\w){_CAP}\w+(?: {_CAP}\w+)?,? (?:sokak|sokağı|sk\.|caddesi|cad\.|cd\.|mahallesi|mah\.|bulvarı|blv\.)(?:,? [Nn]o)?[:.]? ?\d{{1,4}}(?:/\d+)?"
        r"|(?<!\w)(?:ул\.|улица|улице|проспект|пр-т|пр\.|переулок|пер\.|шоссе|бульвар|вул\.)\s?[\w-]+(?: [\w-]+)?,? (?:д\.? ?|дом )?\d{1,4}[а-я]?(?:,? (?:кв\.? ?|корп\.? ?)\d+)*",
        _I,
    ),
    # 中山路12号 · 渋谷区神南1丁目2-3 · شارع النصر 12 · רחוב הרצל 12
    re.compile(
        r"[\u4e00-\u9fff]{2,12}(?:路|街|大道|巷|弄)\d{1,5}[号號](?:[\d\u4e00-\u9fff]{1,8}(?:楼|室|号))?"
        r"|[\u4e00-\u9fff]{2,10}[区市町村][\u3040-\u30ff\u4e00-\u9fff]{0,8}\d{1,3}(?:丁目)?(?:[-－]?\d{1,3}){1,3}"
        r"|[\uac00-\ud7af]{2,8}(?:로|길) ?\d{1,4}(?:-\d+)?번?길?(?: \d{1,4})?"
        r"|شارع(?: [\u0600-\u06ff]+){1,3},? (?:رقم )?\d{1,4}|רחוב(?: [\u0590-\u05ff]+){1,3} \d{1,4}"
    ),
    # PO boxes
    re.compile(r"(?<!\w)(?:P\.? ?O\.? ?Box|Postfach|Boîte postale|B\.?P\.|Apartado(?: de correos)?|Caixa Postal|Casella postale|Postbus) ?(?:n[º°o.]? ?)?\d{2,6}(?:,? \d{4,5} [A-ZÀ-Þ][\w-]+)?", _I),
    # a postcode alone: Britain, Canada, the Netherlands; the United States after a state
    re.compile(rf"(?<![\w-])(?:{POSTCODE_UK.replace(' ?', ' ')})(?!\w)"),
    re.compile(r"(?<![\w-])[a-z]{1,2}\d[a-z\d]? \d(?!gb|tb|bg|am|pm|st|nd|rd|th)[abd-hjlnp-uw-z]{2}(?!\w)"),
    re.compile(r"(?<![\w-])[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d(?!\w)"),
    re.compile(r"(?<![\w-])[1-9]\d{3} ?[A-Z]{2},? [A-Z][a-z]{3,}(?: [A-Z][a-z]+)?"),
    re.compile(r"(?<!\w)[A-Z][a-z]+(?: [A-Z][a-z]+)?,? (?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) \d{5}(?:-\d{4})?(?!\d)"),
    re.compile(r"(?:\bCEP:? ?|, ?)\d{5}-\d{3}(?![\d-])"),  # Brazil
]  # fmt: skip
ADDRESSES_STRICT: list[re.Pattern[str]] = [
    re.compile(rf"(?<!\w)(?:[A-Z]{{1,2}}-)?\d{{5}} {_CAP}[\w-]{{2,}}"),
    re.compile(
        rf"(?<!\w)(?:{_CAP}[\w'’-]+ )+(?:Street|Road|Lane|Avenue|Row|Court|Crescent|Square|Terrace)\b"
    ),
    re.compile(
        r"(?<!\w)(?:[A-Z][\w-]+[ -])?[A-Z]?\w{3,}(?:straße|strasse|gasse|allee|straat|laan|gracht|plein)(?!\w)"
    ),
]
