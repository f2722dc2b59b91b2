"""The key `tests:` of a task: a list by hardware condition, and what the list is asked."""

from pydantic import Field

from hotfire_pipelines.strict import Strict, Text


class ListChoice(Strict):
    """Which tests of a list file a task runs: those whose conditions its cell fulfils."""

    list: Text
    """A file beside or below the pipeline's: test-db of TensorRT-LLM, or our own notation."""
    context: Text | None = None
    """One list of the file; none: all of them."""
    conditions: dict[Text, Text] | None = Field(default=None, min_length=1)
    """What the list calls it → the axis, `execution` or `platform.DIMENSION` that says it. None:
    axes and dimensions by their own names."""
    values: dict[Text, Text] = Field(default={})
    """What holds for every cell: `stage: pre_merge`."""
