"""A page of Markdown as it reads in a log."""

from hypothesis import given
from hypothesis import strategies as st

from email_engine.plain_text import WIDTH, plain
from email_engine.quoted import unmarked


def test_a_table_stands_in_columns_and_marks_are_gone() -> None:
    page = """**2 IPs**, both new:

| IP | host name |
|---|---|
| 198.51.100.1 | mail1.example |
| 203.0.113.200 | mail\\_2\\|x |

```yaml
- {first: "**", n: 1}
```"""
    assert plain(page) == (
        "2 IPs, both new:\n\nIP             host name\n198.51.100.1   mail1.example\n203.0.113.200  mail_2|x\n\n"
        '    - {first: "**", n: 1}\n'
    )


def test_long_lines_end_before_the_window_and_hang_below_their_mark() -> None:
    lines = plain("1. " + "word " * 60).splitlines()
    assert len(lines) > 2
    assert all(len(line) <= WIDTH for line in lines)
    assert all(line.startswith("   word") for line in lines[1:])


@given(
    st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=60)
)
def test_what_was_made_harmless_reads_as_it_was_written(text: str) -> None:
    assert plain(f"said: {unmarked(text)}").strip() == f"said: {text}"
