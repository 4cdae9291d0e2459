"""Print, as constraints of pip, the lowest versions that the ranges in pyproject.toml allow."""

import re
import tomllib
from pathlib import Path

EXTRAS = ("dev", "demo")


def lowest(requirement: str) -> str:
    """ "numpy>=1.26,<3" -> "numpy==1.26"."""
    name, version = re.match(r"([\w.-]+)(?:\[.*?\])?[>=]=([\w.]+)", requirement).groups()
    return f"{name}=={version}"


project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = [requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra]]
print("\n".join(dict.fromkeys(map(lowest, [*project["dependencies"], *extras]))))
