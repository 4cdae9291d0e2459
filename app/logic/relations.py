"""The seven relations of natural logic (MacCartney & Manning 2009) between two formulas."""

from app.logic.formulas import EVERYWHERE

# In the order of the ON-LSTM authors' numbers.
RELATIONS = ("<", ">", "=", "^", "|", "#", "v")

# The relation by whether some world is in each region: both true, only left, only right, neither.
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
        left: the worlds in which the left formula is true; neither all nor none.
        right: the worlds in which the right formula is true; neither all nor none.
    """
    regions = left & right, left & ~right, right & ~left, EVERYWHERE & ~(left | right)
    return _BY_REGIONS.get((regions[0] != 0, regions[1] != 0, regions[2] != 0, regions[3] != 0), "#")  # independence
