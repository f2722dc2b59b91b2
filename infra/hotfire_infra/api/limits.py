"""The caps that an application was configured with, for routes that read bodies themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from hotfire_infra.sections.limits import LimitsSection


async def limits_of(request: Request) -> LimitsSection:
    """Return the section `limits`, at its defaults where the application has none."""
    found = getattr(request.app.state, "limits", None)
    return found if isinstance(found, LimitsSection) else LimitsSection()


Limited = Annotated[LimitsSection, Depends(limits_of)]
