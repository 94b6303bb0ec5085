"""The part of a page that a program writes: what stands between two markers."""

from scripts.measuring.errors import MeasureError


def markers(name: str) -> tuple[str, str]:
    """The lines before and after it; a page shows neither."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def insert(page: str, between: str, name: str) -> str:
    """The page with this between the markers of that name, instead of what was there.

    Raises:
        MeasureError: it has not exactly one pair of them.
    """
    begin, end = markers(name)
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise MeasureError(f"the page needs one line {begin} and after it one line {end}")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{between}\n{end}{after}"
