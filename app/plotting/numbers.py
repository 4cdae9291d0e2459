"""One way to write every number, in figures, tables and sentences alike."""


def weights(density: float) -> str:
    """A density as a percentage of weights remaining, without the sign: 100, 51.3, 3.6, 0.86."""
    percent = 100 * density
    if percent >= 99.95:
        return "100"
    return f"{percent:.1f}" if percent >= 0.95 else f"{percent:.2g}"


def iteration(value: float) -> str:
    """An iteration, or a mean of iterations, to the nearest whole one: 3,120."""
    return f"{value:,.0f}"


def signed(value: float, decimals: int) -> str:
    """A difference with its sign, a true minus where it is negative: +0.31."""
    return f"{value:+,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 replicate, 5 replicates, 1,205 trained networks."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
