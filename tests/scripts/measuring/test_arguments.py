"""What a text on a command line stands for."""

from __future__ import annotations

import argparse

import pytest

from scripts.measuring.arguments import between, number, one_of, parser, several


@pytest.mark.parametrize("text", ["", "0", "11", "-1", "2.0", "٣", "1e1", "many"])
def test_a_number_out_of_bounds_is_refused_with_its_bounds(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 10"):
        number(1, 10)(text)


def test_bounds_are_part_of_it() -> None:
    assert [number(1, 10)(text) for text in ("1", "10")] == [1, 10]
    assert [between(0.5, 2)(text) for text in ("0.5", "1e0", "2")] == [0.5, 1, 2]


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "0.4", "2.1", "x"])
def test_what_is_no_number_in_between_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"from 0\.5 to 2"):
        between(0.5, 2)(text)


def test_a_name_is_one_of_those_that_are_known() -> None:
    colour = one_of("colour", ("red", "blue"))
    assert colour("blue") == "blue"
    with pytest.raises(argparse.ArgumentTypeError, match="no colour 'green'; known are red, blue"):
        colour("green")


def test_a_list_has_each_of_its_parts_once_in_their_order() -> None:
    assert several(number(1, 10))("3, 1,3,,2 ") == (3, 1, 2)
    assert several(number(1, 10), 0)(" , ") == ()
    with pytest.raises(argparse.ArgumentTypeError, match="at least one"):
        several(number(1, 10))(",")
    with pytest.raises(argparse.ArgumentTypeError, match="'x' is no whole number"):
        several(number(1, 10))("1,x")


def test_help_keeps_its_lines() -> None:
    shown = parser("scripts/x", "one\n  two", "three\n  four").format_help()
    assert "one\n  two" in shown
    assert "three\n  four" in shown
