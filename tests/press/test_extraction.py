"""Every language that can print: its words come out of the PDF as they went in, for search and screen readers.

One thing is known to be lost (FONTS.md): the joiner that Persian words are written with.
"""

import re
import unicodedata
from collections import Counter

import pytest

from clinic.i18n.locales import NAMES
from clinic.press import fonts
from clinic.press.press import Press
from tests import pdf

from .conftest import MakePage

# Sentences of our own with the letters and marks that a font or an extractor trips over.
SENTENCES = {
    "en": "We’re “fine” – half of us, at least: fifty % … The office staff shuffled off.",
    "es": "¿Qué pasó aquel día? ¡Añade una señal pequeña! El pingüino corrió feliz hacia allá.",
    "fr": "Œuvre commune : ma sœur a reçu « un garçon naïf » à Noël, où ça ? Hôtel fermé.",
    "de": "Größere Übungen für zwei: Süße Füße, öfter „Straße“ sagen. Auffällig häufig offen.",
    "it": "Perché così presto? È già lì, più vicino: però l’affetto si può offrire.",
    "pt-BR": "Não há pressa: amanhã você põe à mesa três maçãs e um pão quentinho.",
    "pl": "Zażółć gęślą jaźń, a źródło życia znów będzie blisko. Ćma śpi, łódź płynie.",
    "ro": "Șase țări și o grădină: își amintește când a înflorit mărul. Știu că ești aici.",
    "nl": "Geïnteresseerd kijken wij vooruit: één idee per dag, coördineren zónder ruzie.",
    "ru": "Съешь ещё этих мягких булок, подъезд уже открыт. Объятие длится дольше, чем слово.",
    "uk": "Їжак і ґанок: щодня є нова мить. Під’їзд тихий, бо всі п’ють чай.",
    "bg": "Ѝ дадоха ябълка, а щурецът пя цяла нощ. Всъщност чух само шепот.",
    "el": "Ξεκινάμε ήσυχα: τι ένιωσες χθες; Προϋπόθεση είναι η ευγένεια και ο χρόνος μας.",
    "tr": "Işık söndü, çığlık yok: ağaç gölgesinde güzel bir öğle uykusu. İyi ki buradasın.",
    "vi": "Chúng tôi lắng nghe nhau mỗi tối. Bữa ăn nhỏ giữ được sự ấm áp, dẫu trời mưa.",
    "so": "Labada qof waxay ku heshiiyeen in ay maalin walba wada hadlaan toban daqiiqo.",
    "sw": "Kila jioni tunazungumza kwa utulivu na kusikilizana bila kukatizana hata kidogo.",
    "ar": "لا بأس، نبدأ بهدوء: ماذا شعرت أمس؟ لأن الكلام الآن أسهل، وإلا نؤجله إلى الغد؛ السلام لكما.",
    "fa": "آهسته آغاز می‌کنیم: دیروز چه حسی داشتی؟ گفت‌وگو کوتاه است و هر دو گوش می‌دهیم.",
    "ur": "ہم آہستہ شروع کرتے ہیں: کل آپ نے کیا محسوس کیا؟ ٹھنڈا پانی، گرم چائے اور تھوڑی گفتگو۔",
    "he": "מתחילים בשקט: מה הרגשת אתמול? אפשר לעצור בכל רגע, לנשום עמוק ולחזור מחר.",
    "hi": "हम धीरे से शुरू करते हैं। कल क्या महसूस हुआ? क्षमा माँगना, ध्यान से सुनना, ज़रूरत पर रुकना।",
    "bn": "আমরা ধীরে শুরু করি। গতকাল কেমন লেগেছিল? ক্ষমা চাওয়া, মন দিয়ে শোনা, প্রয়োজনে থামা।",
    "pa": "ਅਸੀਂ ਹੌਲੀ ਸ਼ੁਰੂ ਕਰਦੇ ਹਾਂ। ਕੱਲ੍ਹ ਕੀ ਮਹਿਸੂਸ ਹੋਇਆ? ਧਿਆਨ ਨਾਲ ਸੁਣਨਾ, ਪ੍ਰੇਮ ਨਾਲ ਰੁਕਣਾ।",
    "ta": "மெதுவாகத் தொடங்குகிறோம். நேற்று எப்படி இருந்தது? கவனமாகக் கேட்பது, தேவைப்பட்டால் நிறுத்துவது.",
    "te": "మేము నెమ్మదిగా మొదలుపెడతాము. నిన్న ఎలా అనిపించింది? శ్రద్ధగా వినడం, అవసరమైతే ఆగడం.",
    "th": "เราเริ่มต้นอย่างช้า ๆ เมื่อวานรู้สึกอย่างไร น้ำหนึ่งแก้ว ที่นั่งสบาย แล้วค่อยพูดกัน",
    "am": "በቀስታ እንጀምራለን። ትናንት ምን ተሰማህ? በጥሞና መስማት፣ ሲያስፈልግ ማቆም።",
    "zh-Hans": "我们慢慢开始。昨天你感觉怎样？认真地听，需要时就停下来。",
    "zh-Hant": "我們慢慢開始。昨天你感覺怎樣？認真地聽，需要時就停下來。",
    "ja": "ゆっくり始めましょう。昨日はどう感じましたか？よく聴き、必要ならとまります。",
    "ko": "천천히 시작합니다. 어제는 어떤 느낌이었나요? 귀 기울여 듣고 필요하면 멈춥니다.",
}
CJK = {"zh-Hans", "zh-Hant", "ja", "ko"}  # made by `clinic fonts cjk`
PARTS = 4  # the sentence is said so often: as title, text, bold, item


def words(text: str, tag: str) -> Counter[str]:
    """Words without punctuation, composed alike, for an extractor may give a letter and its mark apart.

    Chinese, Japanese and Korean break a line anywhere: there it is every sign.
    """
    text = text.replace("\u200c", "") if tag == "fa" else text
    if tag in CJK:
        return Counter(re.findall(r"\w", text))
    return Counter(re.findall(r"[^\s.,:;?!…“”„«»–%؛،؟۔।。？，、፣።]+", unicodedata.normalize("NFC", text)))


def test_every_language_is_here() -> None:
    assert SENTENCES.keys() == NAMES.keys()


@pytest.mark.parametrize("tag", [pytest.param(tag, marks=[pytest.mark.everything] * (tag in CJK)) for tag in SENTENCES])
def test_words_come_out(press: Press, make_page: MakePage, tag: str) -> None:
    said = SENTENCES[tag]
    assert fonts.uncovered(said, tag) == []
    page = make_page(f"<h1>{said}</h1><p>{said}</p><p><b>{said}</b></p><ul><li>{said}</ul>", tag)
    with press.child() as child:
        file = press.pdf(page, child)
    wanted = words(" ".join([said] * PARTS), tag)
    for read in (pdf.text, pdf.text_by_poppler):
        assert wanted - words(read(file), tag) == Counter(), read.__name__
