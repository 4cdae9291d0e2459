"""Which lines look the same: none."""

from app.plotting.line_styles import CONTROL_LOOKS, DENSE_STYLE, TICKET_LOOKS, control_style, ticket_style


def test_no_two_methods_look_the_same() -> None:
    styles = [style(rank) for style in (ticket_style, control_style) for rank in range(16)]
    assert len({(style.colour, style.marker) for style in (*styles, DENSE_STYLE)}) == 33


def test_the_first_are_as_they_were_drawn() -> None:
    assert [ticket_style(rank) for rank in range(4)] == list(TICKET_LOOKS)
    assert [control_style(rank) for rank in range(4)] == list(CONTROL_LOOKS)
