"""Alphabets that an answer may have to be written in, with words of them to write about."""

from __future__ import annotations

from enum import StrEnum

from sn37.domain.tasks.text_units import is_letter


class Script(StrEnum):
    """An alphabet."""

    CYRILLIC = "Cyrillic"
    GREEK = "Greek"
    HEBREW = "Hebrew"
    ARABIC = "Arabic"
    DEVANAGARI = "Devanagari"


# First and last code point of the blocks of a script (Unicode 3.2, Blocks.txt).
_BLOCKS = {
    Script.CYRILLIC: ((0x0400, 0x052F),),
    Script.GREEK: ((0x0370, 0x03FF), (0x1F00, 0x1FFF)),
    Script.HEBREW: ((0x0590, 0x05FF), (0xFB1D, 0xFB4F)),
    Script.ARABIC: ((0x0600, 0x06FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    Script.DEVANAGARI: ((0x0900, 0x097F),),
}


def is_written_in(script: Script, text: str) -> bool:
    """True if the text has letters, and all of them are of the script."""
    letters = {character for character in text if is_letter(character)}
    return bool(letters) and all(
        any(first <= ord(letter) <= last for first, last in _BLOCKS[script]) for letter in letters
    )


LANGUAGES = {
    Script.CYRILLIC: "Russian",
    Script.GREEK: "Greek",
    Script.HEBREW: "Hebrew",
    Script.ARABIC: "Arabic",
    Script.DEVANAGARI: "Hindi",
}
# Usual things; written for this project, in the public domain (CC0 1.0).
_NOUNS = {
    Script.CYRILLIC: (
        "дом море хлеб город река лес гора солнце луна звезда дождь снег ветер огонь вода "
        "земля дерево цветок трава птица рыба кошка собака лошадь книга окно дверь стол стул "
        "мост дорога поезд корабль школа сад зима весна лето осень утро вечер ночь музыка "
        "песня письмо"
    ),
    Script.GREEK: (
        "θάλασσα σπίτι ψωμί πόλη ποτάμι δάσος βουνό ήλιος φεγγάρι αστέρι βροχή χιόνι άνεμος "
        "φωτιά νερό γη δέντρο λουλούδι πουλί ψάρι γάτα άλογο βιβλίο παράθυρο πόρτα τραπέζι "
        "γέφυρα δρόμος τρένο πλοίο σχολείο κήπος χειμώνας άνοιξη καλοκαίρι πρωί βράδυ νύχτα "
        "μουσική γράμμα"
    ),
    Script.HEBREW: (
        "ים בית לחם עיר נהר יער הר שמש ירח כוכב גשם שלג רוח אש מים אדמה עץ פרח ציפור דג חתול "
        "כלב סוס ספר חלון דלת שולחן כיסא גשר דרך רכבת אונייה מגדל גן חורף אביב קיץ בוקר ערב "
        "לילה מוזיקה שיר מכתב"
    ),
    Script.ARABIC: (
        "بحر بيت خبز مدينة نهر غابة جبل شمس قمر نجمة مطر ثلج ريح نار ماء أرض شجرة زهرة طائر "
        "سمكة قطة كلب حصان كتاب نافذة باب طاولة كرسي جسر طريق قطار سفينة مدرسة حديقة شتاء "
        "ربيع صيف صباح مساء ليل موسيقى أغنية رسالة"
    ),
    Script.DEVANAGARI: (
        "समुद्र घर रोटी शहर नदी जंगल पहाड़ सूरज चाँद तारा बारिश बर्फ हवा आग पानी धरती पेड़ "
        "फूल पक्षी मछली बिल्ली कुत्ता घोड़ा किताब खिड़की दरवाज़ा मेज़ कुर्सी पुल सड़क रेल "
        "जहाज़ स्कूल बगीचा सर्दी वसंत गर्मी सुबह शाम रात संगीत गीत पत्र"
    ),
}
NOUNS = {script: tuple(nouns.split()) for script, nouns in _NOUNS.items()}
