# ruff: noqa: E501 - rows of a table
"""What WhatsApp itself writes into a chat, by language of the phone.

Facts of the app's user interface, folded (``fold``) before comparison, so case, marks, a final
full stop and kinds of space do not matter. Marks and repetition find most placeholders without
this file (see ``kinds``); it decides where an export carries no marks.
"""

from __future__ import annotations

import re

from asimbot_plugins.whatsapp.grammar import plain

# "smazal/a" and "smazal(a)" stand for both genders; Arabic vowel signs come and go.
_OPTIONAL = re.compile(r"(?<=\w)(?:/\w{1,2}|\(\w{1,2}\))(?=\W|$)|[\u064b-\u0652]")


def fold(text: str) -> str:
    """Case, marks, kinds of space, a final full stop, endings in brackets taken away."""
    folded = " ".join(plain(text).casefold().replace("’", "'").split()).rstrip(".。।…! ")
    return _OPTIONAL.sub("", folded)


ORIGINALS: set[str] = set()
"""strings that make up a whole unmarked body, in the case that WhatsApp writes"""


def _set(text: str, *, alone: bool = False) -> frozenset[str]:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if alone:
        ORIGINALS.update(lines)
    return frozenset(fold(line) for line in lines)


# Android, inside <...>: media left out of the export.
OMITTED = _set(
    """
Media omitted
Video message omitted
Video note omitted
Video omitted
Image omitted
Audio omitted
Sticker omitted
GIF omitted
Document omitted
Contact omitted
View once message omitted
Medien ausgeschlossen
Medien weggelassen
Videonachricht weggelassen
Multimedia omitido
Archivo omitido
Archivo multimedia omitido
Multimedia omès
Fitxers omesos
Médias omis
Fichier omis
Média omis
Media omessi
Media omesso
Mídia oculta
Arquivo de mídia oculto
Mídia omitida
Ficheiro não revelado
Ficheiro multimédia omitido
Без медиафайлов
Файл пропущен
Медиафайл пропущен
Без медіафайлів
Медіа пропущено
Без медыяфайлаў
Media weggelaten
Media weggelaat
Média vynechány
Média vynechána
Médiá vynechané
Médiá vynechány
Pominięto multimedia
Pominięto media
Plik pominięty
Multimedia pominięte
Medya dahil edilmedi
Medya atlanmış
Media tidak disertakan
Media dikecualikan
Media diabaikan
मीडिया के बिना
मीडिया शामिल नहीं है
मीडिया वगळला
मिडिया वगळले
मीडिया वगळले
મીડિયા અવગણવામાં આવ્યું
মিডিয়া বাদ দেওয়া হয়েছে
মিডিয়া বাদ দেওয়া হয়েছে
மீடியா விலக்கப்பட்டது
ஊடகம் தவிர்க்கப்பட்டது
మీడియా విస్మరించబడింది
ಮಾಧ್ಯಮ ಕೈಬಿಡಲಾಗಿದೆ
മീഡിയ ഒഴിവാക്കി
ਮੀਡੀਆ ਛੱਡਿਆ ਗਿਆ
میڈیا کے بغیر
رسانه حذف شد
پیوست نما/فایل‌ها حذف شده است
メディアなし
メディアを除く
忽略多媒體檔
省略多媒體檔案
省略多媒体文件
媒体文件已省略
媒體檔案已略去
미디어 파일 제외됨
미디어 파일을 제외함
המדיה לא נכללה
המדיה הושמטה
המדיה לא כלולה
تم استبعاد الوسائط
تم حذف الوسائط
Παραλήφθηκαν τα πολυμέσα
Παράλειψη πολυμέσων
Εξαιρούνται τα πολυμέσα
Media utelämnad
Media har utelämnats
Media har uteslutits
Uteslöt media
Medier utelatt
Media utelatt
Mediefil utelatt
Medier udeladt
Udelod medier
Mediefil udeladt
Media jätettiin pois
Mediatiedosto poistettu
Media poistettu
Hiányzó médiafájl
Hiányzó médiatartalom
Média nélkül
Média kihagyva
Conținut media omis
Fișier media omis
Fără media
Fișiere media omise
Мултимедията е пропусната
Прикачените файлове са пропуснати
Без мултимедия
Mediji su izostavljeni
Medijski zapis izostavljen
Izostavljeni medijski zapisi
Datoteka izostavljena
Медији су изостављени
Медијски запис је изостављен
Mediji izpuščeni
Medijska datoteka izpuščena
Praleisti medijos failai
Medijos failai praleisti
Multivide izlaista
Meedia ära jäetud
Meedia on välja jäetud
Không bao gồm tệp phương tiện
Tệp phương tiện bị bỏ qua
Đã bỏ qua file phương tiện
ละเว้นสื่อ
ไฟล์สื่อถูกละเว้น
สื่อถูกละเว้น
Media imetengwa
Faili ya media imeachwa
Media yachwa
Media të përjashtuara
Media është lënë jashtë
Мультимедиа файлдары жоқ
Медиа файлсыз
Media chiqarib tashlandi
Media faylsiz
Медиафайллар ташланган
Media buraxılıb
Medianı buraxdı
Median daxil edilmədi
Медиумите се изоставени
מדיה הושמטה
Inalis ang media
Hindi isinama ang media
Tinanggal ang media
Meán fágtha ar lár
Media gelaat
    """
)

# iOS, the whole body or the end of it: one kind of media left out of the export.
_NOUN_THEN_WORD = """
en|image,video,audio,sticker,GIF,document,Contact card,video note,video message,voice message|omitted
de|Bild,Video,Audio,Sticker,GIF,Dokument,Kontaktkarte,Videonachricht,Sprachnachricht|weggelassen
de|Bild,Video,Audio,Sticker,GIF,Dokument,Kontaktkarte,Videonachricht|ausgelassen
es|imagen,Video,audio,sticker,GIF,documento,Tarjeta de contacto,Nota de video|omitido
es|imagen,Tarjeta de contacto,nota de video,imagen GIF|omitida
ca|imatge,vídeo,àudio,adhesiu,GIF,document,targeta de contacte|omès
ca|imatge,targeta de contacte,nota de vídeo|omesa
pt|imagem,vídeo,áudio,figurinha,GIF,documento,Cartão do contato,sticker,mensagem de vídeo|omitido
pt|imagem,figurinha,mensagem de vídeo,nota de vídeo|omitida
pt|imagem,vídeo,áudio,figurinha,GIF,documento,Cartão do contato,sticker|ocultado
pt|imagem,figurinha|ocultada
pt|imagem,vídeo,áudio,figurinha,GIF,documento,sticker,cartão de contacto|não revelado
fr|image,vidéo,note vidéo,carte du contact,fiche contact|absente
fr|audio,sticker,GIF,document,message vidéo|absent
fr|audio,sticker,GIF,document,message vidéo|omis
fr|image,vidéo,note vidéo,carte du contact,fiche contact|omise
it|immagine,scheda contatto,nota video|omessa
it|video,audio,sticker,GIF,documento,videomessaggio,adesivo|omesso
nl|afbeelding,video,audio,sticker,GIF,document,contactkaart,videobericht|weggelaten
af|beeld,video,oudio,plakker,GIF,dokument,kontakkaart|weggelaat
sv|bild,video,ljud,klistermärke,GIF,dokument,kontaktkort,videomeddelande|utelämnat
sv|bild,video,klistermärke,GIF|utelämnad
sv|bild,video,ljud,klistermärke,GIF,dokument,kontaktkort|utesluten
nb|bilde,video,lyd,klistremerke,GIF,dokument,kontaktkort,videomelding|utelatt
da|billede,video,lyd,sticker,GIF,dokument,kontaktkort,klistermærke,videobesked|udeladt
fi|kuva,video,ääni,tarra,GIF,asiakirja,yhteystietokortti,dokumentti|jätetty pois
fi|kuva,video,ääni,tarra,GIF,asiakirja,yhteystietokortti,dokumentti|poistettu
pl|obraz,dokument,klip wideo,plik wideo,GIF,plik audio|pominięty
pl|obraz,wideo,nagranie,wizytówka,naklejka,karta kontaktu|pominięta
pl|obraz,wideo,audio,nagranie,zdjęcie|pominięto
pl|wideo,audio,nagranie,zdjęcie|pominięte
cs|obrázek,video,zvuk,nálepka,GIF,dokument,karta kontaktu,vizitka,audio|vynechán
cs|video,audio|vynecháno
cs|nálepka,karta kontaktu,vizitka|vynechána
sk|obrázok,video,zvuk,nálepka,GIF,dokument,karta kontaktu,audio|vynechaný
sk|video,audio|vynechané
sk|nálepka,karta kontaktu|vynechaná
sl|slika,nalepka,kartica stika|izpuščena
sl|video,zvok,GIF,dokument|izpuščen
hr|slika,video,audio,naljepnica,GIF,dokument,kontakt kartica|izostavljeno
hr|slika,naljepnica,kartica kontakta|izostavljena
hr|video,zvuk,audiozapis,videozapis,GIF,dokument|izostavljen
sr|слика,налепница|изостављена
sr|видео,звук,GIF,документ|изостављен
hu|kép,videó,hang,matrica,GIF,dokumentum,névjegykártya,hanganyag|kihagyva
hu|kép,videó,hang,matrica,GIF,dokumentum,névjegykártya,hangfájl|mellőzve
ro|imagine,înregistrare video,înregistrare audio,carte de vizită|omisă
ro|video,audio,autocolant,GIF,document,sticker|omis
ru|изображение,видео,аудио,сообщение|пропущено
ru|стикер,GIF,документ,файл GIF,аудиофайл,видеофайл|пропущен
ru|карточка контакта,анимация|пропущена
ru|изображение,видео,аудио|опущено
uk|зображення,відео,аудіо|пропущено
uk|стікер,GIF,документ,наліпку|пропущено
uk|зображення,відео,аудіо,наліпку,файл GIF,документ,картку контакту|вилучено
bg|изображението,видеото,аудиото|е пропуснато
bg|изображение,видео,аудио,стикер,GIF,документ|пропуснато
el|εικόνα,βίντεο,ήχος,αυτοκόλλητο,GIF,έγγραφο,κάρτα επαφής,στίκερ|παραλείφθηκε
el|η εικόνα,το βίντεο,ο ήχος,το αυτοκόλλητο,το GIF,το έγγραφο,η κάρτα επαφής|παραλείφθηκε
tr|görüntü,video,ses,çıkartma,GIF,belge,kişi kartı,görüntü notu|dahil edilmedi
tr|görüntü,video,ses,çıkartma,GIF,belge,kişi kartı,resim|atlandı
az|şəkil,video,audio,stiker,GIF,sənəd|buraxılıb
id|gambar,video,audio,stiker,GIF,dokumen,kartu kontak,pesan video|tidak disertakan
id|gambar,video,audio,stiker,GIF,dokumen,kartu kontak|diabaikan
ms|imej,video,audio,pelekat,GIF,dokumen,kad kenalan|dikecualikan
ms|imej,video,audio,pelekat,GIF,dokumen,kad kenalan|diabaikan
vi|hình ảnh,video,âm thanh,nhãn dán,GIF,tài liệu,thẻ liên hệ|bị bỏ qua
vi|hình ảnh,video,âm thanh,nhãn dán,GIF,tài liệu,thẻ liên hệ|đã bỏ qua
sw|picha,video,sauti,kibandiko,GIF,hati|imeachwa
sq|imazhi,video,audio,afishja,GIF,dokumenti|u hoq
lt|vaizdas,vaizdo įrašas,garso įrašas,lipdukas,GIF,dokumentas|praleistas
lv|attēls,video,audio,uzlīme,GIF,dokuments|izlaists
et|pilt,video,heli,kleeps,GIF,dokument|ära jäetud
et|pilt,video,heli,kleeps,GIF,dokument|välja jäetud
tl|larawan,video,audio,sticker,GIF,dokumento|hindi isinama
hi|चित्र,वीडियो,ऑडियो,स्टिकर,GIF,दस्तावेज़,संपर्क कार्ड,छवि|छोड़ा गया
hi|चित्र,वीडियो,ऑडियो,स्टिकर,GIF,डॉक्यूमेंट,संपर्क कार्ड,इमेज|हटाया गया
hi|चित्र,वीडियो,ऑडियो,स्टिकर,GIF,डॉक्यूमेंट,इमेज,फ़ोटो|शामिल नहीं है
he|תמונה,מדבקה,הקלטה|הושמטה
he|סרטון וידאו,וידאו,שמע,GIF,מסמך,סטיקר,כרטיס איש קשר,קובץ שמע|הושמט
he|תמונה,מדבקה|לא נכללה
he|וידאו,שמע,GIF,מסמך,סטיקר,כרטיס איש קשר|לא נכלל
fa|تصویر,ویدئو,صدا,استیکر,GIF,سند,ویدیو,برچسب|حذف شد
fa|تصویر,ویدئو,صدا,استیکر,GIF,سند,ویدیو,برچسب|حذف شده است
"""
_WORD_THEN_NOUN = """
ar|تم استبعاد,تم حذف,تم إدراج,تم تجاهل|صورة,الصورة,فيديو,مقطع الفيديو,الفيديو,صوت,الصوت,المقطع الصوتي
ar|تم استبعاد,تم حذف|ملصق,الملصق,GIF,مستند,المستند,بطاقة جهة الاتصال,صورة متحركة,ملف صوتي
zh|忽略,省略,已忽略,已省略,略去|图片,圖片,影像,视频,影片,視訊,音频,音訊,語音訊息,贴图,貼圖,GIF,文档,文件,名片,聯絡人名片,联系人名片,動態圖像,联系人卡片
vi|đã bỏ qua,bỏ qua|hình ảnh,ảnh,video,âm thanh,nhãn dán,GIF,tài liệu,thẻ liên hệ
pl|pominięto|obraz,wideo,film,dźwięk,nagranie,naklejkę,GIF,dokument,kartę kontaktu,wizytówkę,plik audio
th|ละเว้น,ไม่รวม|รูปภาพ,วิดีโอ,เสียง,สติกเกอร์,GIF,เอกสาร,การ์ดผู้ติดต่อ,ไฟล์เสียง,ภาพ
uk|пропущено,вилучено|зображення,відео,аудіо,наліпку,GIF,документ,стікер,картку контакту
cs|vynechán,vynechána,vynecháno|obrázek,video,audio,nálepka,GIF,dokument,karta kontaktu
"""
_JOINED = """
ja|画像,動画,ビデオ,音声,オーディオ,ステッカー,スタンプ,GIF,文書,ドキュメント,連絡先カード,書類|は含まれていません,を省略しました,が省略されました,は省略されました,を除外,が除外されました
ko|이미지,사진,동영상,오디오,음성,스티커,GIF,문서,연락처 카드,비디오 메시지|가 생략됨,을 생략함,이 생략됨, 생략됨, 생략,를 생략함, 제외됨,가 제외됨,이 제외됨
zh|图片,圖片,视频,影片,音频,音訊,贴图,貼圖,GIF,文档,文件,名片|已忽略,已省略,被忽略,被省略,略去
th|รูปภาพ,วิดีโอ,เสียง,สติกเกอร์,GIF,เอกสาร,ภาพ|ถูกละเว้น,ถูกลบออก, ถูกละเว้น
"""


def _omitted_ios() -> frozenset[str]:
    found = set()
    for table, joint in ((_NOUN_THEN_WORD, " "), (_WORD_THEN_NOUN, " "), (_JOINED, "")):
        for row in table.strip().splitlines():
            _, first, second = row.split("|")
            for one in first.split(","):
                for other in second.split(","):
                    ORIGINALS.add(one + joint + other)
                    found.add(fold(one + joint + other))
                    if joint and re.match(r"[一-鿿]", one):
                        ORIGINALS.add(one + other)
                        found.add(fold(one + other))
    return frozenset(found)


OMITTED_IOS = _omitted_ios()

# Android, in brackets after a file name.
ATTACHED = _set(
    """
file attached
Datei angehängt
archivo adjunto
arxiu adjunt
fitxer adjunt
fichier joint
file allegato
arquivo anexado
ficheiro anexado
bestand bijgevoegd
lêer aangeheg
файл добавлен
прикреплённый файл
файл прикреплён
вкладений файл
файл додано
plik załączony
załączono plik
załączony plik
soubor byl přiložen
soubor přiložen
priložený súbor
súbor bol priložený
datoteka je priložena
datoteka u privitku
priložena datoteka
приложена датотека
датотека је приложена
csatolt fájl
fájl csatolva
fájl mellékelve
fișier atașat
прикачен файл
επισυνάφθηκε αρχείο
συνημμένο αρχείο
το αρχείο επισυνάφθηκε
dosya ekli
dosya eklendi
fayl əlavə olunub
file terlampir
fail dilampirkan
tập tin đính kèm
đã đính kèm tệp
tệp đính kèm
file đính kèm
bifogad fil
fil bifogad
fil vedlagt
vedlagt fil
fil vedhæftet
vedhæftet fil
tiedosto liitetty
liitetiedosto
liitetty tiedosto
fail lisatud
pievienots fails
pridėtas failas
file imeambatanishwa
फ़ाइल अटैच की गई
फ़ाइल संलग्न
फाइल संलग्न
फाइल जोडली आहे
ファイル添付
添付ファイル
附件
文件附件
檔案已附加
文件已附加
파일 첨부됨
파일 첨부
קובץ מצורף
הקובץ מצורף
الملف مرفق
ملف مرفق
فایل پیوست شده
ไฟล์ที่แนบมา
แนบไฟล์
    """
)

# iOS, before the colon of <word: file name>.
ATTACHED_IOS = _set(
    """
attached
Anhang
angehängt
adjunto
adjunt
pièce jointe
joint
allegato
anexado
anexo
bijgevoegd
bijlage
aangeheg
прикреплено
вложение
вкладено
прикріплено
załącznik
załączono
příloha
přiloženo
príloha
priloženo
privitak
priponka
приложено
прилог
csatolva
melléklet
atașat
прикачено
συνημμένο
επισυνάφθηκε
ek
ekli
eklendi
lampiran
terlampir
dilampirkan
đính kèm
bifogad
bifogat
vedlagt
vedhæftet
liitetty
liite
lisatud
संलग्न
अटैच किया गया
添付ファイル
添付
附件
附加
첨부됨
첨부
המצורף
מצורף
مرفق
المُرفق
المرفق
پیوست
แนบ
ไฟล์แนบ
    """
)

# The whole body; a final full stop does not matter.
DELETED = _set(
    """
This message was deleted
You deleted this message
This message was deleted by admin
This message was deleted by an admin
You deleted this message as admin
Diese Nachricht wurde gelöscht
Du hast diese Nachricht gelöscht
Diese Nachricht wurde von einem Admin gelöscht
Se eliminó este mensaje
Eliminaste este mensaje
Este mensaje fue eliminado
Este mensaje se eliminó
Mensaje eliminado
Has eliminado este mensaje
Un admin. eliminó este mensaje
S'ha suprimit aquest missatge
Heu suprimit aquest missatge
Has suprimit aquest missatge
S'ha eliminat aquest missatge
Has eliminat aquest missatge
Ce message a été supprimé
Vous avez supprimé ce message
Ce message a été effacé
Questo messaggio è stato eliminato
Hai eliminato questo messaggio
Mensagem apagada
Você apagou esta mensagem
Esta mensagem foi apagada
Apagaste esta mensagem
Apagou esta mensagem
Eliminou esta mensagem
Esta mensagem foi eliminada
Mensagem eliminada
Dit bericht is verwijderd
Je hebt dit bericht verwijderd
U hebt dit bericht verwijderd
Dit bericht werd verwijderd
Hierdie boodskap is geskrap
Hierdie boodskap is uitgevee
Det här meddelandet raderades
Du raderade det här meddelandet
Detta meddelande raderades
Denne meldingen ble slettet
Du slettet denne meldingen
Meldingen ble slettet
Denne besked blev slettet
Du slettede denne besked
Beskeden blev slettet
Tämä viesti poistettiin
Poistit tämän viestin
Tämä viesti on poistettu
Ta wiadomość została usunięta
Usunięto tę wiadomość
Usunąłeś tę wiadomość
Wiadomość została usunięta
Ta wiadomość została skasowana
Tato zpráva byla odstraněna
Tato zpráva byla smazána
Odstranili jste tuto zprávu
Tuto zprávu jste odstranili
Smazali jste tuto zprávu
Tuto zprávu jste smazal
Smazal jste tuto zprávu
Tuto zprávu jste odstranil
Odstranil jste tuto zprávu
Smazal jsi tuto zprávu
Táto správa bola odstránená
Táto správa bola vymazaná
Odstránili ste túto správu
Vymazali ste túto správu
To sporočilo je bilo izbrisano
Izbrisali ste to sporočilo
Ova poruka je izbrisana
Izbrisali ste ovu poruku
Ova je poruka izbrisana
Ова порука је избрисана
Избрисали сте ову поруку
Ez az üzenet törölve lett
Ezt az üzenetet törölték
Törölted ezt az üzenetet
Üzenet törölve
Acest mesaj a fost șters
Ați șters acest mesaj
Ai șters acest mesaj
Данное сообщение удалено
Сообщение удалено
Вы удалили данное сообщение
Вы удалили это сообщение
Это сообщение удалено
Это сообщение было удалено
Це повідомлення видалено
Це повідомлення було видалено
Ви видалили це повідомлення
Повідомлення видалено
Това съобщение беше изтрито
Това съобщение е изтрито
Вие изтрихте това съобщение
Изтрихте това съобщение
Αυτό το μήνυμα διαγράφηκε
Διαγράψατε αυτό το μήνυμα
Αυτό το μήνυμα έχει διαγραφεί
Bu mesaj silindi
Bu mesajı sildiniz
Bu mesajı sildin
Bu mesaj silinib
Pesan ini telah dihapus
Pesan ini dihapus
Anda telah menghapus pesan ini
Anda menghapus pesan ini
Mesej ini telah dipadam
Mesej ini telah dipadamkan
Anda telah memadam mesej ini
Anda memadamkan mesej ini
Tin nhắn này đã bị xóa
Bạn đã xóa tin nhắn này
Tin nhắn này đã bị xoá
Bạn đã xoá tin nhắn này
Tin nhắn đã bị xóa
ข้อความนี้ถูกลบแล้ว
ข้อความนี้ถูกลบ
คุณลบข้อความนี้แล้ว
คุณได้ลบข้อความนี้
คุณลบข้อความนี้
यह संदेश हटा दिया गया
यह मैसेज हटा दिया गया है
यह मैसेज डिलीट किया गया है
यह मैसेज डिलीट कर दिया गया है
यह मैसेज डिलीट कर दिया गया
आपने यह मैसेज डिलीट कर दिया
यह मैसेज मिटाया गया
यह मैसेज मिटा दिया गया है
यह संदेश मिटाया गया
यह संदेश मिटा दिया गया है
आपने यह संदेश हटाया
आपने यह मैसेज मिटाया
आपने इस मैसेज को मिटाया
आपने यह मैसेज डिलीट किया
आपने यह मैसेज हटा दिया
हा संदेश हटवला गेला
हा संदेश हटवला गेला आहे
हा मेसेज हटवला आहे
तुम्ही हा संदेश हटवला
এই বার্তাটি মুছে ফেলা হয়েছে
এই মেসেজটি মুছে ফেলা হয়েছে
এই মেসেজটি মুছে দেওয়া হয়েছে
আপনি এই মেসেজটি মুছে ফেলেছেন
આ મેસેજ ડિલીટ કરવામાં આવ્યો છે
આ સંદેશ કાઢી નાખવામાં આવ્યો
இந்த செய்தி நீக்கப்பட்டது
இந்தச் செய்தி நீக்கப்பட்டது
இச்செய்தி நீக்கப்பட்டது
ఈ సందేశం తొలగించబడింది
ಈ ಸಂದೇಶವನ್ನು ಅಳಿಸಲಾಗಿದೆ
ഈ സന്ദേശം ഇല്ലാതാക്കി
ਇਹ ਸੁਨੇਹਾ ਮਿਟਾਇਆ ਗਿਆ
یہ پیغام حذف کر دیا گیا
یہ پیغام حذف کر دیا گیا ہے
آپ نے یہ پیغام حذف کر دیا
این پیام حذف شد
این پیام حذف شده است
این پیام پاک شد
شما این پیام را حذف کردید
تم حذف هذه الرسالة
لقد حذفت هذه الرسالة
أنت حذفت هذه الرسالة
قمت بحذف هذه الرسالة
حذفت هذه الرسالة
حذفتَ هذه الرسالة
הודעה זו נמחקה
ההודעה הזאת נמחקה
מחקת הודעה זו
מחקת את ההודעה הזאת
ההודעה נמחקה
このメッセージは削除されました
このメッセージを削除しました
メッセージを削除しました
あなたがこのメッセージを削除しました
此消息已被删除
此消息已删除
您删除了此消息
您已删除这条消息
你删除了这条消息
这条消息已删除
你已删除此消息
这条消息已被删除
此訊息已刪除
此訊息已被刪除
您已刪除此訊息
你已刪除此訊息
此訊息已經刪除
您已刪除這則訊息
這則訊息已刪除
你刪除了此訊息
訊息已刪除
삭제된 메시지입니다
이 메시지는 삭제되었습니다
이 메시지를 삭제했습니다
메시지를 삭제했습니다
이 메시지가 삭제되었습니다
메시지가 삭제되었습니다
Ujumbe huu ulifutwa
Ujumbe huu umefutwa
Umefuta ujumbe huu
Ulifuta ujumbe huu
Ky mesazh u fshi
Ky mesazh është fshirë
See sõnum kustutati
Kustutasid selle sõnumi
Šī ziņa tika izdzēsta
Šis ziņojums tika izdzēsts
Ši žinutė buvo ištrinta
Ištrynėte šią žinutę
Бұл хабар жойылды
Сіз бұл хабарды жойдыңыз
Bu xabar oʻchirildi
Bu xabar o'chirildi
Binura ang mensaheng ito
Binura mo ang mensaheng ito
Tinanggal ang mensaheng ito
Оваа порака е избришана
Гэта паведамленне выдалена
    """,
    alone=True,
)

# Deleted by an administrator of a group, who is named.
DELETED_BY = re.compile(
    r"this message was deleted by (?:an )?admin\b|diese nachricht wurde von .{0,9}admin\b.* gelöscht"
    r"|el admin\b.* eliminó este mensaje|un administrador .*eliminó este mensaje"
    r"|.{0,9}admin\b.* a supprimé ce message|ce message a été supprimé par l'admin"
    r"|questo messaggio è stato eliminato dall'ammin|mensagem apagada (?:pelo|por) .*admin"
    r"|(?:esta )?mensagem (?:foi )?eliminada (?:pelo|por) .*admin|dit bericht is verwijderd door"
)

# At the end of a body, inside <...>.
EDITED = _set(
    """
This message was edited
Edited
Diese Nachricht wurde bearbeitet
Nachricht bearbeitet
Se editó este mensaje
Este mensaje fue editado
Este mensaje se editó
Mensaje editado
Editaste este mensaje
S'ha editat aquest missatge
Aquest missatge s'ha editat
Ce message a été modifié
Questo messaggio è stato modificato
Messaggio modificato
Mensagem editada
Esta mensagem foi editada
Dit bericht is bewerkt
Dit bericht werd bewerkt
Hierdie boodskap is gewysig
Hierdie boodskap is geredigeer
Det här meddelandet redigerades
Meddelandet har redigerats
Det här meddelandet har redigerats
Denne meldingen ble redigert
Meldingen ble redigert
Denne besked blev redigeret
Beskeden blev redigeret
Tätä viestiä muokattiin
Viestiä muokattu
Tätä viestiä on muokattu
Ta wiadomość została edytowana
Wiadomość edytowana
Wiadomość została edytowana
Edytowano tę wiadomość
Tato zpráva byla upravena
Zpráva byla upravena
Táto správa bola upravená
Správa bola upravená
To sporočilo je bilo urejeno
Ova poruka je uređena
Ova je poruka uređena
Ова порука је измењена
Ez az üzenet szerkesztve lett
Ezt az üzenetet szerkesztették
Üzenet szerkesztve
Acest mesaj a fost editat
Mesajul a fost editat
Сообщение изменено
Данное сообщение изменено
Это сообщение изменено
Это сообщение было изменено
Сообщение отредактировано
Це повідомлення відредаговано
Повідомлення змінено
Це повідомлення змінено
Повідомлення відредаговано
Това съобщение беше редактирано
Съобщението е редактирано
Αυτό το μήνυμα υποβλήθηκε σε επεξεργασία
Το μήνυμα υποβλήθηκε σε επεξεργασία
Έγινε επεξεργασία σε αυτό το μήνυμα
Bu mesaj düzenlendi
Bu mesaj redaktə edildi
Pesan ini telah diedit
Pesan ini diedit
Mesej ini telah diedit
Mesej ini telah disunting
Tin nhắn này đã được chỉnh sửa
Tin nhắn đã được chỉnh sửa
Tin nhắn này đã chỉnh sửa
ข้อความนี้ถูกแก้ไขแล้ว
แก้ไขข้อความนี้แล้ว
ข้อความนี้ได้รับการแก้ไข
यह मैसेज एडिट किया गया है
यह मैसेज एडिट किया गया
यह संदेश संपादित किया गया
इस मैसेज को एडिट किया गया है
हा संदेश संपादित केला होता
এই মেসেজটি এডিট করা হয়েছে
இந்த மெசேஜ் திருத்தப்பட்டது
یہ پیغام ایڈٹ کیا گیا
این پیام ویرایش شد
این پیام ویرایش شده است
تم تعديل هذه الرسالة
تم تحرير هذه الرسالة
הודעה זו נערכה
ההודעה נערכה
ההודעה הזאת נערכה
このメッセージは編集されました
メッセージが編集されました
編集済み
此消息已编辑
此消息已被编辑
消息已编辑
这条消息已编辑
此訊息已編輯
此訊息已被編輯
已編輯此訊息
訊息已編輯
這則訊息已編輯
已编辑
已編輯
수정된 메시지입니다
이 메시지는 수정되었습니다
이 메시지가 수정되었습니다
메시지가 수정되었습니다
Ujumbe huu ulihaririwa
Ujumbe huu umehaririwa
Ky mesazh u redaktua
See sõnum muudeti
Sõnumit muudeti
Šī ziņa tika rediģēta
Ši žinutė buvo redaguota
In-edit ang mensaheng ito
    """
)

# The whole body of a call; a duration or outcome may follow after a comma.
CALLS = _set(
    """
Missed voice call
Missed video call
Missed group voice call
Missed group video call
Missed call
Voice call
Video call
Group voice call
Group video call
Group call
Incoming voice call
Outgoing voice call
Silenced voice call
Silenced video call
No answer
Call ended
Verpasster Sprachanruf
Verpasster Videoanruf
Sprachanruf
Videoanruf
Verpasster Anruf
Verpasster Gruppenanruf
Llamada perdida
Llamada de voz perdida
Videollamada perdida
Llamada grupal perdida
Llamada de voz
Videollamada
Trucada perduda
Videotrucada perduda
Trucada de veu perduda
Appel vocal manqué
Appel vidéo manqué
Appel manqué
Appel vocal
Appel vidéo
Chiamata vocale persa
Videochiamata persa
Chiamata persa
Chiamata vocale
Videochiamata
Ligação de voz perdida
Ligação de vídeo perdida
Chamada de voz perdida
Chamada de vídeo perdida
Chamada perdida
Chamada de voz
Chamada de vídeo
Ligação de voz
Ligação de vídeo
Videochamada perdida
Videochamada
Gemiste spraakoproep
Gemiste video-oproep
Gemiste oproep
Spraakoproep
Video-oproep
Gemiste video-gesprek
Missat röstsamtal
Missat videosamtal
Röstsamtal
Videosamtal
Tapt taleanrop
Tapt videoanrop
Tapt anrop
Taleanrop
Videoanrop
Mistet taleopkald
Ubesvaret taleopkald
Ubesvaret videoopkald
Ubesvaret opkald
Taleopkald
Videoopkald
Vastaamaton äänipuhelu
Vastaamaton videopuhelu
Vastaamaton puhelu
Äänipuhelu
Videopuhelu
Nieodebrane połączenie głosowe
Nieodebrane połączenie wideo
Nieodebrane połączenie
Połączenie głosowe
Połączenie wideo
Zmeškaný hlasový hovor
Zmeškaný videohovor
Zmeškaný hovor
Hlasový hovor
Videohovor
Zgrešen glasovni klic
Zgrešen videoklic
Propušten glasovni poziv
Propušten videopoziv
Propušteni glasovni poziv
Propušteni videopoziv
Glasovni poziv
Videopoziv
Propušteni poziv
Nem fogadott hanghívás
Nem fogadott videóhívás
Nem fogadott hívás
Hanghívás
Videóhívás
Apel vocal pierdut
Apel video pierdut
Apel vocal
Apel video
Пропущенный аудиозвонок
Пропущенный видеозвонок
Пропущенный звонок
Аудиозвонок
Видеозвонок
Пропущенный голосовой звонок
Пропущений аудіодзвінок
Пропущений голосовий дзвінок
Пропущений голосовий виклик
Пропущений відеодзвінок
Пропущений відеовиклик
Пропущений дзвінок
Аудіодзвінок
Відеодзвінок
Пропуснато гласово обаждане
Пропуснато видео обаждане
Пропуснато обаждане
Αναπάντητη φωνητική κλήση
Αναπάντητη βιντεοκλήση
Αναπάντητη κλήση
Φωνητική κλήση
Βιντεοκλήση
Cevapsız sesli arama
Cevapsız görüntülü arama
Cevapsız arama
Sesli arama
Görüntülü arama
Panggilan suara tak terjawab
Panggilan video tak terjawab
Panggilan suara tidak terjawab
Panggilan video tidak terjawab
Panggilan tak terjawab
Panggilan suara
Panggilan video
Panggilan suara terlepas
Panggilan video terlepas
Cuộc gọi thoại nhỡ
Cuộc gọi video nhỡ
Cuộc gọi nhỡ
Cuộc gọi thoại
Cuộc gọi video
สายโทรด้วยเสียงที่ไม่ได้รับ
สายวิดีโอคอลที่ไม่ได้รับ
สายที่ไม่ได้รับ
การโทรด้วยเสียง
วิดีโอคอล
मिस्ड वॉइस कॉल
मिस्ड वीडियो कॉल
छूटी हुई वॉइस कॉल
छूटी हुई वीडियो कॉल
मिस्ड कॉल
वॉइस कॉल
वीडियो कॉल
মিসড ভয়েস কল
মিসড ভিডিও কল
مس شدہ وائس کال
تماس صوتی بی‌پاسخ
تماس تصویری بی‌پاسخ
تماس صوتی ازدست‌رفته
مكالمة صوتية فائتة
مكالمة فيديو فائتة
مكالمة فائتة
مكالمة صوتية
مكالمة فيديو
שיחה קולית שלא נענתה
שיחת וידאו שלא נענתה
שיחה שלא נענתה
שיחה קולית
שיחת וידאו
音声通話の不在着信
ビデオ通話の不在着信
不在着信
音声通話
ビデオ通話
音声着信に応答がありませんでした
ビデオ通話に応答がありませんでした
未接语音通话
未接视频通话
语音通话
视频通话
未接來電
未接语音来电
未接視訊通話
未接語音通話
未接語音來電
未接視訊來電
語音通話
視訊通話
부재중 음성 통화
부재중 영상 통화
부재중 전화
음성 통화
영상 통화
Simu ya sauti ambayo haikupokelewa
Simu ya video ambayo haikupokelewa
    """,
    alone=True,
)

# Before ": https://..." of a shared place, or a whole body.
LOCATION = _set(
    """
location
live location
Standort
Live-Standort
ubicación
ubicació
ubicación en tiempo real
localisation
position
position en direct
posizione
posizione attuale
localização
localização atual
localização em tempo real
locatie
live locatie
ligging
plats
position
posisjon
plassering
placering
sted
lokation
sijainti
lokalizacja
lokalizacja na żywo
poloha
lokacija
локација
hely
tartózkodási hely
helyzet
helyadatok
locație
locația
местоположение
геоданные
геопозиция
местонахождение
місцезнаходження
розташування
местоположение
τοποθεσία
konum
canlı konum
məkan
lokasi
lokasi terkini
vị trí
ตำแหน่ง
ตำแหน่งที่ตั้ง
ที่ตั้ง
स्थान
लोकेशन
अवस्थान
অবস্থান
லொகேஷன்
مقام
موقع
الموقع
موقعیت مکانی
مکان
מיקום
位置情報
位置
位置信息
位置資訊
位置訊息
위치
mahali
vendndodhja
asukoht
atrašanās vieta
vieta
    """,
    alone=True,
)
LOCATION_WHOLE = _set(
    """
live location shared
Live-Standort wird geteilt
Live-Standort geteilt
ubicación en tiempo real compartida
se compartió ubicación en tiempo real
localisation en direct partagée
position en direct partagée
posizione attuale condivisa
posizione in tempo reale condivisa
localização em tempo real compartilhada
localização em tempo real partilhada
localização atual compartilhada
live locatie gedeeld
live positionsdelning
canlı konum paylaşıldı
lokasi terkini dibagikan
отправлена геопозиция
геоданные в реальном времени
""",
    alone=True,
)

# View-once media: Android writes "null"; newer versions say that it cannot be shown.
VIEW_ONCE = re.compile(
    r"null$|.*(?:view once|view-once|einmalansicht|einmalige ansicht|ver una vez|una sola vez"
    r"|visualização única|vue unique|visualizza una volta|eenmalig bekijken|eenmalige weergave"
    r"|однократн\w+ просмотр|bir kez görüntüle|sekali lihat)",
)

# Notices that carry a sender's label on iOS; used where the export lost its marks.
NOTICE = re.compile(
    r"(?:messages and calls are end-to-end encrypted|messages to this (?:chat|group) (?:and calls )?"
    r"are now secured|messages you send to this (?:chat|group) (?:and calls )?are (?:now )?secured"
    r"|nachrichten und anrufe sind ende-zu-ende-verschlüsselt|nachrichten (?:an|in) dies"
    r"|los mensajes y las llamadas están cifrados|los mensajes y llamadas están cifrados"
    r"|els missatges i les trucades|les messages et les appels sont chiffrés"
    r"|les messages et appels sont chiffrés|i messaggi e le chiamate sono crittografati"
    r"|as mensagens e (?:as )?(?:ligações|chamadas) são protegidas"
    r"|as mensagens e chamadas são encriptadas|berichten en oproepen zijn end-to-end"
    r"|berichten en gesprekken|meddelanden och samtal är|meldinger og anrop er|beskeder og opkald er"
    r"|viestit ja puhelut|wiadomości i połączenia są|zprávy a hovory jsou|správy a hovory sú"
    r"|poruke i pozivi|az üzenetek és (?:a )?hívások|mesajele și apelurile"
    r"|сообщения и звонки защищены|повідомлення та дзвінки|τα μηνύματα και οι κλήσεις"
    r"|mesajlar ve aramalar uçtan uca|pesan dan panggilan|mesej dan panggilan"
    r"|tin nhắn và cuộc gọi|ข้อความและการโทร|मैसेज और कॉल|संदेश और कॉल"
    r"|الرسائل والمكالمات|ההודעות והשיחות|メッセージと通話|消息和通话|訊息和通話|메시지와 통화"
    r"|waiting for this message\b|your security code with .{1,60} changed"
    r"|(?:you're|you are|is) now an admin|diese nachricht kann nicht)"
)

# In a line without a sender: what people do to a group. Only for lines whose "sender" never
# writes anything else.
SYSTEM_VERB = re.compile(
    r" (?:changed|created|added|removed|left|joined|turned|updated|pinned|set|deleted|started|named"
    r"|hat|haben|wurde|cambió|creó|añadió|eliminó|salió|a changé|a créé|a ajouté|a modifié"
    r"|ha cambiato|ha creato|ha aggiunto|ha modificato|mudou|criou|adicionou|alterou|removeu"
    r"|heeft|изменил\w*|создал\w*|добавил\w*|değiştirdi|oluşturdu|ekledi|mengubah|membuat"
    r"|menambahkan)(?: |$)",
    re.IGNORECASE,
)
