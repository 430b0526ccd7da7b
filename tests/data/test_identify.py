from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from mtsweep.data.identify import CHUNK, identifier
from mtsweep.data.phrases import phrases

PEER = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def same(texts: list[str]) -> None:
    for text, (code, sure) in zip(texts, identifier().classify(texts), strict=True):
        expected, certainty = PEER.classify(text)
        assert abs(sure - certainty) < 1e-4, text
        # Two languages that are as likely as each other may change places.
        assert code == expected or certainty < 0.5, text


def test_many_texts_at_a_time_are_told_as_one_by_one():
    texts = [text for book in phrases().values() for row in book for code, text in row.items()
             if code != "id"][::5]  # fmt: skip
    assert len(texts) > CHUNK
    same([*texts, "", "ONLY CAPITALS HERE", "long " * 900, "日本語のテキスト", "\0", "é"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_text_is_told_as_py3langid_tells_it(texts):
    same(texts)
