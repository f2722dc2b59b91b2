"""What every definition file shares: strict models, and the form of names."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# Names end up in cell keys, file names and URLs. Keys use `|`, `=`, `,` and `#` as separators.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
