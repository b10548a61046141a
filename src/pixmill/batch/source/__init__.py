"""Reading lists: every kind of input becomes one stream of items that can be entered anywhere.

`inputs` opens and joins them; each format has a reader of its own beside it.
"""

from pixmill.batch.source.inputs import (
    OnlyLines,
    Place,
    Source,
    SourceOptions,
    is_image_file,
    open_source,
)

__all__ = ["OnlyLines", "Place", "Source", "SourceOptions", "is_image_file", "open_source"]
