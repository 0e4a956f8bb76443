"""Hash of the speech of transcripts and runs: which words were said, without the names of speakers.

For rows of earlier versions only the words are known (`<SHA-256>:`), not the sides. They match any sides until the day
is built again, so that nothing which is scored is paid for again.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic import op

revision = "0015"
down_revision = "0014"

_ROWS_PER_FETCH = 500
_SPOKEN = """SELECT texts.call_id, string_agg(spoken.text, ' ' ORDER BY spoken.seq)
FROM copilot.transcripts AS texts LEFT JOIN copilot.utterances AS spoken USING (call_id) GROUP BY texts.call_id"""
_REPLACED = "SELECT transcript_hash, text FROM copilot_ops.replaced_transcripts"


def upgrade() -> None:
    """Add the columns and fill them from stored texts, all of which are read once."""
    statements = (Path(__file__).parent / "0015_speech.sql").read_text(encoding="utf-8")
    add, fill = statements.split("-- fill\n")
    op.get_bind().exec_driver_sql(add.replace("%", "%%"))  # the driver reads % as a parameter
    connection: Any = op.get_bind().connection.driver_connection
    with connection.cursor() as cursor:
        for table, rows in (
            ("present_speech", _words(connection, _SPOKEN, _plain)),
            ("replaced_speech", _words(connection, _REPLACED, _without_labels)),
        ):
            values = list(rows)  # of a hundred bytes each; the texts themselves are read in parts
            with cursor.copy(f"COPY {table} (id, speech_hash) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
    op.get_bind().exec_driver_sql(fill.replace("%", "%%"))


def downgrade() -> None:
    """Not offered: a downgrade would lose state."""
    raise NotImplementedError("restore a backup instead")


def _words(connection: Any, query: str, spoken: Any) -> Iterator[tuple[str, str]]:
    with connection.cursor(name="speech") as cursor:
        cursor.itersize = _ROWS_PER_FETCH
        cursor.execute(query)
        for key, text in cursor:
            words = " ".join(spoken(text or "").split())
            yield key, f"{sha256(words.encode()).hexdigest()}:"


def _plain(text: str) -> str:
    return text


def _without_labels(text: str) -> str:
    lines: Iterable[str] = text.split("\n")
    return " ".join(line.partition(": ")[2] for line in lines)
