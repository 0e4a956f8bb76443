"""Names from outside in Markdown metadata: shown as text, whatever they contain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from copilot_pipeline.defs.markdown import bullet_list, escape, image

PACKAGE = Path(__file__).parents[2] / "copilot_pipeline"
HOSTILE = [
    "![x](https://evil.example/x.png)",
    "![x](/graphql?query=mutation%7Bx%7D)",
    "![x][1]\n\n[1]: https://evil.example/x.png",
    "[Renewal](https://evil.example)",
    "[Renewal](javascript:alert(1))",
    "<img src=https://evil.example/x.png>",
    "<script>alert(1)</script><!-- ",
    "<https://evil.example>",
    "&#33;[x](https://evil.example/x.png)&lt;b&gt;",
    "see https://evil.example/path and HTTP://evil.example",
    "www.evil.example WWW.evil.example",
    "write to a.b+c@evil.example, xmpp:a@b.c, mailto:a@b.c",
    "\\![x](https://evil.example)",
    "\\\\[x](https://evil.example)",
    "# heading\n# again",
    "a\n\n    code\n\n---\n1. one\n| a | b |\n|---|---|\n| c | d |",
    "`code` ``` ~~~ **bold** __bold__ ~~gone~~ $x$ $$y$$ [^1] - [ ] task",
    "name\u202e)gnp.x(]x[!",
    "a\x00b\x1bc\u2028d\u0085e",
]
ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
GFM_LINK = re.compile(r"https?://|www\.|[-.\w+]@[-\w]+\.[-\w]", re.IGNORECASE)


@pytest.mark.parametrize("name", HOSTILE)
def test_neutralises_hostile_names(name: str) -> None:
    """Images, links, HTML, entities, blocks, and addresses that would become links."""
    check(name)


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("!()[]<>&\\`*_#|:/@.w\n "), max_size=80))
@example("http\\://evil.example")
def test_no_character_keeps_a_meaning_in_markdown(name: str) -> None:
    """One line, every ASCII punctuation mark escaped, no address; undoing the escapes gives the visible text back."""
    check(name)


def check(name: str) -> None:
    """Assert that a name has no meaning in Markdown once it is escaped, and is still readable."""
    escaped = escape(name)
    assert "".join(escaped.splitlines()) == escaped
    assert escaped == escaped.strip()
    assert "  " not in escaped
    assert not re.search(r"[!-/:-@\[-`{-~]", ESCAPED.sub("", escaped))
    text = re.sub(r"\\(.)", r"\1", escaped)
    assert not GFM_LINK.search(text)
    unprinted = "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]"
    shown = " ".join(re.sub(unprinted, "\ufffd", name).split())
    assert text.replace("\u200b", "") == shown.replace("\u200b", "")


def test_lists_lines() -> None:
    """Each line is an item; without lines it says so."""
    assert bullet_list(["a [b]", "c"]).md_str == "* a \\[b\\]\n* c"
    assert bullet_list([]).md_str == "none"


def test_shows_embedded_images_only() -> None:
    """A chart holds its bytes and loads nothing."""
    assert image("![deals](data:image/png;base64,AA==)").md_str == "![deals](data:image/png;base64,AA==)"
    for wrong in ("![x](https://evil.example)", "![x](data:image/png;base64,AA==)\n![y](//evil)", "text"):
        with pytest.raises(ValueError, match="embedded"):
            image(wrong)


def test_markdown_metadata_is_made_in_one_module() -> None:
    """Nothing else calls Dagster's constructors of Markdown."""
    maker = re.compile(r"MetadataValue\.md\(|MarkdownMetadataValue\(")
    makers = [path for path in PACKAGE.rglob("*.py") if maker.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(PACKAGE).as_posix() for path in makers] == ["defs/markdown.py"]
