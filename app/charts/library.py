"""Vega's JavaScript, from the installed package vl-convert: version by version in the user's cache directory."""

import hashlib
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import platformdirs

from app.common.files import write_atomically

PACKAGE = "vl-convert-python"
SNIPPET = "window.vegaEmbed = vegaEmbed;"


def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed as one module, which sets `window.vegaEmbed`.

    The package bundles it in some seconds; the bundle is kept for the next report.
    """
    cache = Path(platformdirs.user_cache_dir("trees-and-tickets", appauthor=False))
    name = f"vega-{version(PACKAGE)}"
    for path in sorted(cache.glob(f"{name}-*.js")):
        content = path.read_bytes()
        if _digest(content) == path.stem.rpartition("-")[2]:  # else it is damaged
            return content.decode()
    # Its extension is large: only a page needs it.
    import vl_convert

    bundle = vl_convert.javascript_bundle(SNIPPET)
    # Without a place for the cache every report takes these seconds.
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(cache / f"{name}-{_digest(bundle.encode())}.js", bundle)
    return bundle


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
