"""A film in, a coloured film out: steady within a shot, with all else of the film kept.

::

    reading.py          a film file -> what is known of it, and its luma planes
    ycbcr.py            planes of luma and chroma, and what they say in Lab
    motion.py           optical flow between two frames, and the confidence in it
    exposure.py         exposure that changes within a shot, normalized
    temporal_vote.py    the key frames around a frame vote on its colours
    pipeline.py         grey frames in, coloured frames out, on all cores
    writing.py          coloured frames -> segments of a film
    joining.py          segments -> a film, with all else copied
    segments.py         the segments of a film that are done, and those that are not
    film_jobs.py        what is to be made of a film
    film_files.py       a film file in, a coloured film file out
    archive.py          many films in one call
    archive_workers.py  who colours them
    synthetic.py        makes the bundled films
    metrics.py          how steady colours are
    evaluation.py       colorizers measured on films
    pyav.py             the library that reads and writes films, imported when needed
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["compare_films"],
        "film_files": ["colorize_film"],
        "metrics": ["warping_error"],
        "motion": ["Motion", "consistent", "motion_between", "optical_flow", "same_shot", "warp"],
        "pipeline": ["colorize_frames", "predict_colors", "workers"],
        "reading": ["probe_film", "read_colors"],
        "synthetic": ["films_folder"],
        "temporal_vote": ["smooth_colors"],
    },
)
