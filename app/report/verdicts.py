"""What intervals of differences allow to claim, in words."""

from collections.abc import Sequence

from app.plotting.numbers import plural, weights
from app.report.comparisons import Comparison
from app.report.differences import UNSEEN, MetricDifference


def claimed(compared: MetricDifference) -> str:
    """What follows a difference in a sentence: ": better", ": no difference seen"; nothing without an interval."""
    return f": {compared.verdict}" if compared.verdict else ""


def verdicts(compared: Sequence[Comparison]) -> str:
    """How many densities each claim holds of, and which: "better at 2 of 6 densities (80.0 and 64.0 %), ...".

    Args:
        compared: a method with another, by round.

    Returns:
        Nothing where no comparison has an interval.
    """
    judged = [each for each in compared if each.verdict]
    if not judged:
        return ""
    found: dict[str, list[int]] = {each.verdict: [] for each in judged}
    for place, each in enumerate(judged):
        found[each.verdict].append(place)
    said: list[str] = []
    for verdict, places in sorted(found.items(), key=lambda item: item[0] == UNSEEN):
        some = f"{len(places)} of {len(judged)}" if not said else str(len(places))
        if len(places) == len(judged):
            said.append(f"{verdict} at {'the only density' if len(judged) == 1 else f'all {len(judged)} densities'}")
        else:
            where = "" if verdict == UNSEEN else f" ({_places(judged, places)})"
            said.append(f"{verdict} at {some}{'' if said else ' densities'}{where}")
    return ", ".join(said)


def basis(pairs: int, noun: str) -> str:
    """What differences and claims rest on.

    Args:
        pairs: how many replicates or seeds there are.
        noun: for one of them.
    """
    if pairs == 1:
        return f"One {noun}: no interval, and any difference may be chance."
    branches = ", several networks of one method averaged first" if noun == "replicate" else ""
    return (
        f"Means over {plural(pairs, noun)}. Intervals are 95 % intervals (Student's t) of the mean difference within "
        f"a {noun}{branches}. Faster, slower, better and worse are said only "
        "where the interval leaves out 0; each is of one comparison, and of 20 without a difference one leaves out 0 "
        "by chance."
    )


def _places(judged: Sequence[Comparison], places: Sequence[int]) -> str:
    """The densities of some rounds, three and more in a row as "80.0 to 51.2 %"; the rounds if nothing is pruned."""
    whole = all(each.density == 1 for each in judged)
    rows: list[list[int]] = []
    for place in places:
        if rows and place == rows[-1][-1] + 1:
            rows[-1].append(place)
        else:
            rows.append([place])
    written = []
    for row in rows:
        names = [str(judged[place].round) if whole else weights(judged[place].density) for place in row]
        written += [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names
    listed = f"{', '.join(written[:-1])} and {written[-1]}" if len(written) > 1 else written[0]
    return f"round {listed}" if whole else f"{listed} %"
