"""A photo in, a coloured photo of the same size out.

::

    colorizer.py          the colorizer
    compose.py            a photo's own lightness and a small ab map -> sRGB values
    strokes.py            hints: strokes of colour on a photo
    hint_spreading.py     hints spread along the edges of the lightness
    photo_jobs.py         many photos in one call: what goes where
    joined_photos.py      the colours of another tool's picture on the lightness of the original
    registration.py       where a coloured copy shows what the original shows
    onnx_export.py        a colorizer as one file for other programs and languages
    evaluation.py         colorizers measured on photos that they never saw
    evaluation_tables.py  ... and what they got as tables, of all photos and by group
    trade_off.py          error against colorfulness, for each way to decode
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "colorizer": ["Colorizer", "load_colorizers"],
        "compose": ["compose_rgb", "lightness_of", "to_gray"],
        "evaluation": ["bootstrap"],
        "joined_photos": ["join_colors", "join_photos"],
        "strokes": ["Stroke"],
        "trade_off": ["measure_trade_off", "read_trade_off"],
    },
)
