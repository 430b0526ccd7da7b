from ftfy.badness import BADNESS_RE, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep.data import clean

SIGNS = sorted({sign for sign in BADNESS_RE.pattern if not sign.isascii()})


@settings(max_examples=400, deadline=None)
@given(
    st.text(st.one_of(st.sampled_from(SIGNS), st.sampled_from("aZ ,.'\u0b95\u4e00")), max_size=6)
)
def test_what_ftfy_takes_for_mojibake_is_never_passed_over(text):
    assert clean._MAYBE_MOJIBAKE.search(text) or not is_bad(text)
