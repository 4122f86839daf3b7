"""What holds sentences is cached once for each language."""

from explorer.text import _, speaking
from pages.shared.cache.keep import keep

CALLS: list[tuple[int, str]] = []


@keep(max_entries=8)
def sentence(n: int, _unhashed: object = None, *, loud: bool = False) -> str:
    """A sentence about a number."""
    CALLS.append((n, "loud" if loud else ""))
    return _("Lessons") + str(n)


def test_a_call_is_computed_once_for_each_language() -> None:
    CALLS.clear()
    sentence.clear()
    with speaking("en"):
        assert sentence(1) == sentence(1, object()) == "Lessons1"
        assert sentence(1, loud=True) == "Lessons1"
    assert CALLS == [(1, ""), (1, "loud")]
    with speaking("zh"):
        sentence(1)
        sentence(1)
    assert CALLS == [(1, ""), (1, "loud"), (1, "")]
    with speaking("en"):
        sentence(1)
    assert len(CALLS) == 3
    sentence.clear()
    with speaking("en"):
        sentence(1)
    assert len(CALLS) == 4


def test_it_still_says_what_it_does() -> None:
    assert sentence.__doc__ == "A sentence about a number."
