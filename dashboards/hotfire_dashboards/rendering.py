"""Templates without logic: one environment that escapes everything and forgets nothing."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from hotfire_dashboards.assets import asset_url

VISITOR: ContextVar[str] = ContextVar("visitor", default="")
"""Who signed in and looks at the page that is printed; empty where nobody had to."""


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("hotfire_dashboards"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.globals["asset"] = asset_url
    environment.globals["visitor"] = VISITOR.get
    return environment


def render(template: str, page: object) -> str:
    """Print a page: `template` is the name of a file, `page` its view model."""
    return _templates().get_template(f"{template}.html").render(page=page)
