"""Whether the file locks of a file system are seen by the other machines that share it."""

from functools import cache
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")  # Linux

# Options of a mount by which locks stay on this machine, by what its type begins with.
LOCAL = {
    "nfs": {"nolock", "local_lock=flock", "local_lock=all"},
    "lustre": {"localflock"},
}
ALWAYS_LOCAL = ("fuse.sshfs",)


def locks_are_shared(directory: Path) -> bool:
    """Whether other machines see a lock that is taken by `flock` in a directory, as far as the mount says.

    A file system that has no locks at all says so when one is asked for.
    """
    if not MOUNTS.exists():
        return True
    return _shared(MOUNTS.read_text(errors="replace"), directory.resolve())


@cache
def _shared(mounts: str, directory: Path) -> bool:
    kind, options = mount_of(mounts, directory)
    if kind in ALWAYS_LOCAL:
        return False
    return not any(kind.startswith(name) and options & local for name, local in LOCAL.items())


def mount_of(mounts: str, directory: Path) -> tuple[str, set[str]]:
    """The type and the options of the file system of a directory; an empty type if none is found.

    Args:
        mounts: what /proc/self/mountinfo has: a line for each mount (proc(5)), a later one above earlier ones.
        directory: absolute, without symbolic links.
    """
    found: tuple[int, str, set[str]] = (-1, "", set())
    for line in mounts.splitlines():
        of_mount, separator, of_system = line.partition(" - ")
        fields, system = of_mount.split(), of_system.split()
        if not separator or len(fields) < 6 or len(system) < 3:
            continue
        place = Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if directory.is_relative_to(place) and len(place.parts) >= found[0]:
            found = len(place.parts), system[0], {*fields[5].split(","), *system[2].split(",")}
    return found[1], found[2]
