"""Names of participants: found in every spelling, and ordinary words are left alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from copilot_pipeline.privacy.redaction.names import NamedPerson, ParticipantNames, fold_with_positions, name_words


def found(text: str, *names: str) -> list[str]:
    """What is found in a text, if the names are those of one person each."""
    people = [NamedPerson(f"Rep {number}", frozenset({name})) for number, name in enumerate(names, start=1)]
    return [text[match.start : match.end] for match in ParticipantNames(people).find(text)]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("Hello Dana Fox.", "Dana Fox", ["Dana Fox"]),
        ("DANA'S deck", "Dana Fox", ["DANA"]),
        ("Fox, Dana", "Fox, Dana", ["Fox, Dana"]),
        ("a fox, a Fox", "Dana Fox", ["Fox"]),
        ("bandana", "Dana Fox", []),
        ("Mark my words, mark it", "Mark Twain", ["Mark"]),
        ("mark twain", "Mark Twain", ["mark twain"]),
        ("will page you", "Will Page", []),
        ("li and Li", "Li Wei", ["Li"]),
        ("the Von Trapp file", "Maria von Trapp", ["Trapp"]),
        ("Ben and ben, Das", "Ben Das", ["Ben", "Das"]),
        ("Guest and Dr", "Dr. Guest", []),
        ("田中太郎です", "田中太郎", ["田中太郎"]),
        ("Ольга сказала", "Ольга Петрова", ["Ольга"]),
        ("IŞIL Isil", "I\u015f\u0131l Kaya", ["IŞIL", "Isil"]),
        ("Soren Łuk", "Søren Luk", ["Soren Łuk"]),
        ("GROß und Gross", "Groß", ["GROß", "Gross"]),
        ("Jose\u0301 and JOSE", "José", ["Jose\u0301", "JOSE"]),
        ("o'brien OBRIEN O\u2019Brien", "Pat O'Brien", ["o'brien", "OBRIEN", "O\u2019Brien"]),
        ("d-a-n-a, D. A. N. A", "Dana", ["d-a-n-a", "D. A. N. A"]),
        ("Ask Robin Roe (Acme) at Acme", "Robin Roe (Acme)", ["Robin Roe"]),
        ("robin.roe@acme.example said roe", "robin.roe@acme.example", ["robin.roe", "roe"]),
        ("info and acme", "info@acme.example", []),
        ("", "Dana Fox", []),
        ("Dana", "+1 415 555 0132", []),
    ],
)
def test_finds_names_and_leaves_words(text: str, name: str, expected: list[str]) -> None:
    """The examples are what transcripts have: cases, accents, possessives, letters, and words that are names."""
    assert found(text, name) == expected


def test_a_shared_first_name_has_no_label() -> None:
    """If two participants have a name, it is replaced, but by neither's label."""
    people = [NamedPerson("Rep 1", frozenset({"Dana Fox"})), NamedPerson("Prospect 1", frozenset({"Dana Reed"}))]
    labels = [match.label for match in ParticipantNames(people).find("Dana Fox, Dana and Reed")]
    assert labels == ["Rep 1", None, "Prospect 1"]


_LETTERS = (
    "abcdefghijklmnopqrstuvwxyzàâäãåáçčćéèêëěğîïí\u0131łñňôöóõőøřšśşťúùûüůýÿžźżßæœ"
    "абвгджзийклмнопрстуфхцчшщыэюяαβγδεζηθικλμνξοπρστυφχψω"
)
_NAME = st.text(_LETTERS, min_size=3, max_size=12).map(str.capitalize)


@given(
    first=_NAME,
    last=_NAME,
    before=st.sampled_from(["", "So, ", "(", "\u201c"]),
    after=st.sampled_from(["", ".", "'s", "?"]),
)
def test_a_name_is_found_between_other_characters(first: str, last: str, before: str, after: str) -> None:
    """Any two words that are a display name are found again, as they are written and in upper case."""
    name = f"{first} {last}"
    assume(len(name_words(name)) == 2)  # not `Guest` or `Room`
    for written in (name, name.upper()):
        text = f"{before}{written}{after}"
        covered = found(text, name)
        assert written[:1] in "".join(covered), (text, covered)


@given(st.text())
def test_positions_lead_back_to_the_text(text: str) -> None:
    """Each folded character has a position in the text, and the last one its end."""
    folded, positions = fold_with_positions(text)
    if positions is None:
        assert len(folded) == len(text)
    else:
        assert len(positions) == len(folded) + 1
        assert positions == sorted(positions)
        assert positions[-1] == len(text)
        assert all(unicodedata.combining(char) == 0 for char in folded)
