"""The seven relations of natural logic (MacCartney & Manning 2009), as they hold between formulas."""

from app.logic.formulas import EVERYWHERE

# Numbered as the authors of ON-LSTM number them.
RELATIONS = ("<", ">", "=", "^", "|", "#", "v")

# By which of the four regions have a world in them: both true, only the left, only the right, neither.
_BY_REGIONS = {
    (True, False, False, True): "=",  # equivalence
    (True, False, True, True): "<",  # forward entailment
    (True, True, False, True): ">",  # reverse entailment
    (False, True, True, False): "^",  # negation
    (False, True, True, True): "|",  # alternation
    (True, True, True, False): "v",  # cover
}


def relation(left: int, right: int) -> str:
    """The relation of two formulas, one of `RELATIONS`.

    Args:
        left: the worlds in which the left one is true; neither all nor none.
        right: the worlds in which the right one is true; neither all nor none.
    """
    regions = left & right, left & ~right, right & ~left, EVERYWHERE & ~(left | right)
    return _BY_REGIONS.get((regions[0] != 0, regions[1] != 0, regions[2] != 0, regions[3] != 0), "#")  # independence
