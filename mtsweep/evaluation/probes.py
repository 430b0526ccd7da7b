"""What a dental patient asks: texts that every run translates beside its test set, to be read.

They stand in no data set that mtsweep brings along. With ``evaluation.probes`` come your own.
"""

from __future__ import annotations

from collections.abc import Sequence

QUESTIONS: dict[str, tuple[str, ...]] = {
    "eng_Latn": (
        "I dropped my aligner tray somewhere on the bus and cannot find it. What should I do?",
        "Should I wait for a replacement tray, or move on to my next aligners?",
        "My new aligners hurt a little on the left side. Is that normal in the first days?",
        "Can I take my aligners out for a wedding and leave them off all evening?",
    ),
    "spa_Latn": (
        "Se me cayó la férula del alineador en el autobús y no la encuentro. ¿Qué debo hacer?",
        "¿Espero a que me den otra férula o paso a los alineadores siguientes?",
        "Los alineadores nuevos me duelen un poco en el lado izquierdo. ¿Es normal los primeros "
        "días?",
        "¿Puedo quitarme los alineadores para una boda y no ponérmelos en toda la noche?",
    ),
    "deu_Latn": (
        "Ich habe meine Zahnschiene im Bus verloren und finde sie nicht wieder. Was soll ich tun?",
        "Soll ich auf eine Ersatzschiene warten oder gleich zu den nächsten Alignern übergehen?",
        "Meine neuen Aligner tun auf der linken Seite etwas weh. Ist das in den ersten Tagen "
        "normal?",
        "Kann ich meine Aligner für eine Hochzeit herausnehmen und den ganzen Abend weglassen?",
    ),
    "fra_Latn": (
        "J'ai perdu ma gouttière dans le bus et je ne la retrouve pas. Que dois-je faire ?",
        "Dois-je attendre une gouttière de remplacement ou passer aux aligneurs suivants ?",
        "Mes nouveaux aligneurs me font un peu mal du côté gauche. Est-ce normal les premiers "
        "jours ?",
        "Puis-je enlever mes aligneurs pour un mariage et ne pas les remettre de la soirée ?",
    ),
    "tam_Taml": (
        "என் அலைனர் தட்டு பேருந்தில் எங்கோ விழுந்துவிட்டது, கிடைக்கவில்லை. நான் என்ன செய்ய வேண்டும்?",
        "மாற்றுத் தட்டு வரும் வரை காத்திருக்க வேண்டுமா, அல்லது அடுத்த அலைனருக்கு மாற வேண்டுமா?",
        "புதிய அலைனர்கள் இடது பக்கத்தில் சற்று வலிக்கின்றன. முதல் சில நாட்களில் இது இயல்பானதா?",
        "ஒரு திருமணத்திற்காக அலைனர்களைக் கழற்றி மாலை முழுவதும் அணியாமல் இருக்கலாமா?",
    ),
}  # fmt: skip
"""FLORES-200 code to the same questions, in the same order."""


def questions(
    own: Sequence[str] | None, source_lang: str, target_lang: str
) -> list[tuple[str, str]]:
    """Texts to translate, each with its translation where there is one (else an empty text).

    Args:
        own: Of the configuration; ``None`` takes the patient's questions.
        source_lang: FLORES-200 code; a language that nobody asks in has no questions.
        target_lang: FLORES-200 code.
    """
    if own is not None:
        return [(text, "") for text in own]
    asked = QUESTIONS.get(source_lang, ())
    translated = QUESTIONS.get(target_lang, ("",) * len(asked))
    return list(zip(asked, translated, strict=True)) if asked else []
