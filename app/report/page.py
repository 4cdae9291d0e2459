"""The report as one HTML file: charts, pictures, style and words in it, nothing fetched from anywhere."""

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.charts.chart import DENSITY, EXPERIMENT, METHOD, REPLICATE, SHOWN, Chart
from app.charts.colours import variables
from app.charts.library import javascript
from app.charts.of_figure import chart_of
from app.plotting.numbers import weights
from app.report.document import Document, Picture
from app.report.tree_browser import plain

TEMPLATES = Path(__file__).parent / "templates"
FILTERED = (EXPERIMENT, METHOD, REPLICATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the filters of a page offer.

    Args:
        experiments: names.
        methods: what they are called.
        replicates: numbers of replicates or seeds.
        noun: which of these they are.
        densities: whether anything is against weights remaining.
        sparsest: the least share of them, in per cent.
        bars: whether any bars can be chosen.
        curves: whether anything is over iterations.
        few: whether only some curves are shown at first.
    """

    experiments: Sequence[str]
    methods: Sequence[str]
    replicates: Sequence[int]
    noun: str
    densities: bool
    sparsest: str
    bars: bool
    curves: bool
    few: bool


def page(document: Document, pictures: Mapping[str, bytes], kinds: Sequence[str]) -> str:
    """The text of report.html.

    Args:
        document: what to say.
        pictures: an SVG file per stem of the document's pictures.
        kinds: endings of the files of a figure, which lie beside the page.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["keep_units"] = _keep_units
    environment.filters["id"] = _id
    charts = {picture.stem: chart for picture in document.pictures if (chart := _chart(picture)) is not None}
    told = as_json({stem: asdict(chart) for stem, chart in charts.items()})
    return environment.get_template("report.html.j2").render(
        document=document,
        pictures={stem: b64encode(svg).decode() for stem, svg in pictures.items() if stem not in charts},
        charts=charts,
        choices=_choices(charts.values()),
        contents=_contents(document),
        kinds=kinds,
        style=Markup(f"{_template('page.css')}{_colours(told)}"),
        charts_json=Markup(told),
        library=Markup(_in_script(javascript())) if charts else "",
        script=Markup(_template("charts.js")),
        trees_json=Markup(as_json(plain(document.treebanks))),
        trees_script=Markup(_template("trees.js")),
    )


def as_json(value: Any) -> str:
    """JSON that can stand in a `script` of a page; numbers that are not finite are null."""
    return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _chart(picture: Picture) -> Chart | None:
    return None if isinstance(picture.source, Mapping) else chart_of(picture.source)


def _choices(charts: Iterable[Chart]) -> Choices:
    charts = list(charts)
    found: dict[str, dict[Any, None]] = {name: {} for name in (*FILTERED, DENSITY)}
    for chart in charts:
        for name, values in found.items():
            values |= dict.fromkeys(value for value in chart.rows.get(name, ()) if value is not None)
    pruned = [density for density in found[DENSITY] if density < 1]
    lotteries = any(value is not None for chart in charts for value in chart.rows.get("bound", ()))
    return Choices(
        experiments=list(found[EXPERIMENT]),
        methods=list(found[METHOD]),
        replicates=sorted(found[REPLICATE]),
        noun="Replicates" if lotteries else "Seeds",
        densities=bool(pruned),
        sparsest=weights(min(pruned, default=1.0)),
        bars=any("value" in chart.rows and "bound" in chart.rows for chart in charts),
        curves=any("running" in chart.rows for chart in charts),
        few=any(0 in chart.rows.get(SHOWN, ()) for chart in charts),
    )


def _contents(document: Document) -> list[tuple[str, str]]:
    """Anchors and names of the parts of the page."""
    groups = [(_id(name), name) for name, some in document.groups.items() if some]
    trees = [("all-trees", "All trees")] if document.treebanks else []
    configurations = [("configurations", "Configurations")] if document.configurations else []
    return [
        ("findings", "Findings"),
        *groups,
        *trees,
        ("reading", "How to read"),
        ("tables", "Tables"),
        *configurations,
        ("made", "Made by"),
    ]


def _colours(text: str) -> str:
    """Definitions of the colours that charts name, for light and dark pages."""
    light, dark = ("".join(f"{name}:{value};" for name, value in values.items()) for values in variables(text).values())
    return f":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _in_script(code: str) -> str:
    """JavaScript in which nothing ends the element that it stands in."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _id(heading: str) -> str:
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


def _keep_units(sentence: str) -> str:
    """A sentence in which no line breaks between a number and its unit."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%").replace(" pp", "\N{NO-BREAK SPACE}pp")
