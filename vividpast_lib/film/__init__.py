"""A film in, a coloured film out: steady within a shot, with all else about the film kept.

::

    reading.py          a film file in: what is known of it, and its luma planes, frame by frame
    ycbcr.py            luma in, lightness out; colours in, chroma planes out
    motion.py           the motion between two frames, and the confidence in it
    exposure.py         exposure that changes within a shot, normalized
    analysis.py         frames in; the same frames with motion, exposure and cuts out
    temporal_vote.py    the key frames around a frame vote on its colours
    pipeline.py         grey frames in, coloured frames out, on all cores
    writing.py          planes of coloured frames in, an encoded segment out
    joining.py          segments in, a film with all other tracks copied out
    film_jobs.py        which film goes where, and how it is stored
    segments.py         the segments of a film: those that are done are kept
    film_files.py       a film file in, a coloured film file out
    joined_films.py     the colours of another tool's film on the frames of the original
    archive.py          a folder of films in, their coloured copies and a manifest out
    archive_workers.py  colours them on the workers of Ray
    synthetic.py        makes the bundled films
    metrics.py          measures of how steady colours are
    evaluation.py       colorizers measured on films
    pyav.py             FFmpeg, imported when needed and kept quiet
    opencv.py           OpenCV, kept to one thread while it computes
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["compare_films"],
        "film_files": ["colorize_film"],
        "joined_films": ["join_films"],
        "metrics": ["warping_error"],
        "motion": ["Motion", "consistent", "motion_between", "optical_flow", "same_shot", "warp"],
        "pipeline": ["colorize_frames", "predict_colors", "worker_pool"],
        "reading": ["probe_film", "read_colors"],
        "synthetic": ["films_folder"],
        "temporal_vote": ["smooth_colors"],
    },
)
