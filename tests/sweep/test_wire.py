from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from mtsweep.sweep.wire import Advanced, Began, Ended, Said, Told, frames, send

EVENTS = st.one_of(
    st.builds(Said, st.text()),
    st.builds(Began, st.text(), st.text(), st.integers(0)),
    st.builds(Advanced, st.integers(0), st.dictionaries(st.text(), st.floats(allow_nan=False))),
    st.builds(Told, st.text(), st.text()),
    st.builds(Ended, st.text(), st.sampled_from(["finished", "failed", "busy"]), st.text()),
)


@given(st.lists(EVENTS, max_size=5), st.integers(0, 40))
def test_what_was_sent_whole_arrives_and_what_was_cut_off_does_not(sent, cut):
    stream = io.BytesIO()
    ends = []
    for event in sent:
        send(stream, event)
        ends.append(stream.tell())
    kept = stream.getvalue()[: max(0, stream.tell() - cut)]
    whole = sum(end <= len(kept) for end in ends)
    assert list(frames(io.BytesIO(kept))) == sent[:whole]
