"""Two hundred invented pieces of personal data, as people write them in chats.

Numbers are from ranges kept for fiction or documentation, or are examples that standards publish.
Each line: kind, the message, with the personal part in double braces.
"""

from __future__ import annotations

import re

_LINES = """
PHONE|call me on {{07700 900123}} when ur up
PHONE|its {{07700900124}}
PHONE|new number {{+44 7700 900125}} save it
PHONE|{{+447700900126}} thats mine
PHONE|ring the office, {{020 7946 0012}}, before five
PHONE|office is {{(020) 7946 0958}} ok
PHONE|{{0161 496 0018}}
PHONE|her landline: {{0113-496-0044}}
PHONE|try {{0808 157 0199}}
PHONE|{{(415) 555-0132}} is the dentist
PHONE|text {{415-555-0133}} pls
PHONE|its {{415.555.0134}}
PHONE|{{+1 212 555 0135}}
PHONE|{{+1 (212) 555-0136}} thats the new york one
PHONE|{{1-212-555-0137}} from the us
PHONE|call {{2125550138}}
PHONE|meine nummer ist {{030 23125 014}}
PHONE|{{0171 1234567}} ruf an
PHONE|{{+49 171 1234568}}
PHONE|{{0049 30 23125 015}} vom ausland
PHONE|handy: {{0176/12345679}}
PHONE|Tel. {{(030) 23125-016}}
PHONE|{{+49-30-23125-017}}
PHONE|mon portable c'est {{06 12 34 56 78}}
PHONE|{{06.12.34.56.79}}
PHONE|{{0612345680}} appelle moi
PHONE|{{+33 6 12 34 56 81}}
PHONE|au boulot {{01 99 00 12 34}}
PHONE|mi movil {{612 34 56 78}}
PHONE|{{+34 612 345 679}}
PHONE|llamame al {{912 345 680}}
PHONE|{{612345681}} apunta mi numero
PHONE|il mio cellulare {{333 123 4567}}
PHONE|{{+39 333 1234568}}
PHONE|chiama lo {{06 1234 5678}}
PHONE|{{06-12345678}} is mijn nummer
PHONE|{{+31 6 12345679}}
PHONE|{{020-1234568}} bel even
PHONE|o meu telemóvel é {{912 345 678}}
PHONE|{{+351 912 345 679}}
PHONE|{{(11) 91234-5678}} me liga
PHONE|{{+55 11 91234-5679}}
PHONE|{{98765 43210}} is the new whatsapp number
PHONE|{{+91 98765 43211}}
PHONE|{{+61 491 570 156}}
PHONE|{{0491 570 157}} down under
PHONE|{{+353 20 912 3456}}
PHONE|{{+48 601 234 567}}
PHONE|{{+90 532 123 45 67}}
PHONE|{{+7 912 345-67-89}}
PHONE|мой номер {{8 912 345-67-80}}
PHONE|{{+81 90-1234-5678}}
PHONE|{{+86 131 2345 6789}}
PHONE|{{+971 50 123 4567}}
PHONE|رقمي {{+٢٠ ١٠٠ ١٢٣ ٤٥٦٧}}
PHONE|{{+41 78 123 45 67}}
PHONE|{{+43 664 123456}}
PHONE|{{+46 70 123 45 67}}
PHONE|{{‪+44 7700 900127‬}}
PHONE|its {{+44\u00a07700\u00a0900128}}
EMAIL|mail it to {{rosa.planted@example.com}} pls
EMAIL|{{info@planted-shop.example.org}}
EMAIL|{{p.lanted+cats@example.co.uk}}
EMAIL|schick an {{jürgen.planted@example.de}}
EMAIL|PLANTED.UPPER@EXAMPLE.COM is {{PLANTED.UPPER@EXAMPLE.COM}}
EMAIL|my email: {{planted_99@example.net}}.
EMAIL|({{planted-two@example.org}})
EMAIL|write to {{planted3 [at] example [dot] com}}
EMAIL|{{planted4(at)example.org}}
EMAIL|{{planted.five@mail.example.com}},{{planted.six@mail.example.com}}
EMAIL|<{{planted7@example.com}}> is the landlord
LINK|https://{{planted.example.com/a/b?c=d}}
LINK|look {{http://planted2.example.org}}.
LINK|{{www.planted3.example.com/cats}} lol
LINK|{{planted4.com/menu}}
LINK|its on {{planted5.co.uk}}
LINK|join {{https://chat.whatsapp.com/PlantedInvite6Code}}
LINK|{{https://wa.me/447700900129}}
LINK|{{t.me/planted8}}
LINK|{{https://docs.google.com/document/d/1PLANTED9abcdef/edit?usp=sharing}}
LINK|{{https://maps.app.goo.gl/Planted10XyZ}} here
LINK|zoom: {{https://zoom.us/j/94812345678?pwd=planted11}}
LINK|{{HTTPS://PLANTED12.EXAMPLE.COM/LOUD}}
LINK|({{https://planted13.example.com/in/brackets}})
LINK|{{ftp://planted14.example.net/file.zip}}
LINK|{{https://planted15.example.com:8443/x#frag}}
LINK|{{instagram.com/planted16}} follow me
IBAN|{{GB29 NWBK 6016 1331 9268 19}}
IBAN|{{DE89370400440532013000}} danke
IBAN|iban {{FR14 2004 1010 0505 0001 3M02 606}}
IBAN|{{ES9121000418450200051332}}
IBAN|{{IT60 X054 2811 1010 0000 0123 456}}
IBAN|{{nl91abna0417164300}} stuur maar
IBAN|{{BE68 5390 0754 7034}}
IBAN|{{PT50 0002 0123 1234 5678 9015 4}}
IBAN|{{CH93 0076 2011 6238 5295 7}}
IBAN|{{AT61 1904 3002 3457 3201}}
IBAN|{{PL61 1090 1014 0000 0712 1981 2874}}
IBAN|{{SE4550000000058398257466}}
IBAN|{{TR33 0006 1005 1978 6457 8413 26}}
IBAN|{{BR18 0036 0305 0000 1000 9795 493C 1}}
IBAN|typo {{DE89 3704 0044 0532 0130 01}}
CARD|{{4111 1111 1111 1111}} exp 12/27
CARD|{{5555555555554444}}
CARD|{{3782 822463 10005}} is the amex
CARD|{{4012-8888-8888-1881}}
CARD|{{6011 1111 1111 1117}}
CARD|card number {{4000 1234 5678 9010}} i think
CARD|{{3056 9309 0259 04}} visa or so
CODE|your code is {{481920}}
CODE|{{739104}} is your verification code
CODE|door code {{4471}}
CODE|G-{{552817}} is your Google verification code
CODE|dein Bestätigungscode lautet {{118203}}
CODE|ton code de vérification: {{903 114}}
CODE|tu código es {{660921}}
CODE|il tuo codice è {{204417}}
CODE|je pincode is {{8812}}
CODE|seu código de segurança é {{771043}}
CODE|alarm pin {{9035}} dont forget
CODE|ваш код {{330219}}
CODE|验证码 {{840275}}
CODE|رمز التحقق {{592731}}
CODE|otp {{6672}}
PASSWORD|wifi password is {{Plant3dSecret}}
PASSWORD|password: {{hunterplanted}}
PASSWORD|netflix pw {{planted_4ever!}}
PASSWORD|passwort ist {{geheim!Plant5}}
PASSWORD|mot de passe : {{chatplante6}}
PASSWORD|la contraseña es {{Gato2planted}}
PASSWORD|a senha é {{plantada77}}
PASSWORD|wachtwoord = {{kaasplant8}}
ID|passport number {{123456780}}
ID|booking reference {{PLT-20417}}
ID|my order no {{402-9981234-1123}} is late
ID|VIN is {{WVWZZZ1JZXW000001}}
ID|{{QQ123456C}} is my NI
ID|ssn {{078-05-1120}}
ID|{{RSSMRA85T10A562S}}
ID|mi dni es {{12345678Z}}
ID|cpf {{123.456.789-09}}
ID|n° sécu {{2 85 05 78 006 084 91}}
ID|PAN {{ABCDE1234F}}
ID|plate is {{QQ04 RLD}}
ID|mein kennzeichen: {{B-QQ 1234}}
ID|la plaque {{QQ-123-ZZ}}
ID|Kundennummer {{80041734}}
ACCOUNT|sort code {{20-15-55}} account {{55779911}}
ACCOUNT|mein konto {{0532013000}}
ACCOUNT|routing {{021000021}} thx
BIRTHDAY|dob {{23/04/1998}}
BIRTHDAY|geboren am {{03.11.1987}}
BIRTHDAY|née le {{14/07/1990}}
BIRTHDAY|she was born on {{April 5th, 1991}}
BIRTHDAY|mi cumple: {{2 de mayo de 1989}}
LOCATION|im at {{51.50735, -0.12776}}
LOCATION|{{48.8583701,2.2944813}}
LOCATION|meet at {{///planted.horse.staple}}
IP|server is {{203.0.113.77}}
IP|{{2001:db8:85a3:8d3:1319:8a2e:370:7348}}
IP|mac {{00:1b:44:11:3a:b7}}
ADDRESS|im at {{88 mercer street}}
ADDRESS|{{Flat 2, 14 Tansy Row, Dunmere DM4 7QP}}
ADDRESS|its {{31 Weir Court}} second bell
ADDRESS|come to {{6 Organ Lane}} at 8
ADDRESS|{{1600 Plantation Avenue NW}}
ADDRESS|postcode {{DM1 3XZ}}
ADDRESS|{{742 Evergreen Terrace}}!!
ADDRESS|pick me up at {{12B Baker St}}
ADDRESS|{{221 North Oak Drive, Springfield, IL 62704}}
ADDRESS|wir wohnen {{Hauptstraße 12a, 10115 Berlin}}
ADDRESS|{{lindenstr. 7}} dritter stock
ADDRESS|treffen am {{Kirchweg 3}}
ADDRESS|{{Am Alten Markt 9, 50667 Köln}}
ADDRESS|{{Mozartgasse 4}} in wien
ADDRESS|j'habite {{12 rue de la Paix, 75002 Paris}}
ADDRESS|{{8 bis avenue Victor Hugo}}
ADDRESS|{{25, boulevard Saint-Michel}}
ADDRESS|vivo en {{Calle Mayor 5}}
ADDRESS|{{C/ de Atocha, 27}} 3º b
ADDRESS|{{avenida de la Constitución 18}}
ADDRESS|{{Plaza de España 2}}
ADDRESS|abito in {{Via Roma 10, 20121 Milano}}
ADDRESS|{{piazza Garibaldi, 3}}
ADDRESS|ik woon {{Prinsengracht 263}}
ADDRESS|{{Lindenlaan 4}} is het
ADDRESS|{{Kalverstraat 92, 1012 PH Amsterdam}}
ADDRESS|moro na {{Rua Augusta, 1508}}
ADDRESS|{{Avenida Paulista 1578}} 4 andar
ADDRESS|{{travessa do Carmo 11}}
ADDRESS|{{ul. Długa 5/7}} w warszawie
ADDRESS|{{ул. Ленина, д. 10}} подъезд 2
ADDRESS|{{Storgatan 14}}
ADDRESS|{{P.O. Box 4711}}
ADDRESS|{{中山路12号}}
NAME|@⁨Rosa Planted⁩ u up??
NAME|is {{Jonas}} coming
NAME|ask {{MINA}} she knows
NAME|{{bex}} said no
NAME|thats {{jonas}}'s car
NAME|Dear Mrs {{Plumley}}, sorry
NAME|my name is {{Graham Plantman}}
NAME|Herr {{Grünpflanz}} hat angerufen
NAME|Hello, this is {{Petra Plantova}}
NAME|je m'appelle {{Aurélie}}
"""


def items() -> list[tuple[str, str, list[str]]]:
    """(kind, message, the personal parts of it)."""
    found = []
    for line in _LINES.strip().splitlines():
        kind, text = line.encode().decode().replace("\\u00a0", "\u00a0").split("|", 1)
        values = re.findall(r"\{\{(.+?)\}\}", text)
        if kind == "NAME" and not values:
            values = ["Rosa Planted"]
        found.append((kind, text.replace("{{", "").replace("}}", ""), values))
    return found
