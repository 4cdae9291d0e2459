"""Durations in words."""


def format_duration(seconds: float) -> str:
    """A duration that is easy to read: "12 s", "0:03:05", "1:02:03"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
