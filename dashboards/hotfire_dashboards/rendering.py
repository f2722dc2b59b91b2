"""Templates without logic: one environment that escapes everything and forgets nothing."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from hotfire_dashboards.assets import asset_url


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("hotfire_dashboards"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.globals["asset"] = asset_url
    return environment


def render(template: str, page: object) -> str:
    """Print a page: `template` is the name of a file, `page` its view model."""
    return _templates().get_template(f"{template}.html").render(page=page)
