"""A film file in, a coloured film file out."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ..colorize.colorizer import Colorizer
from ..photos.sheets import THUMBNAIL
from .film_jobs import FilmJob, plan_film
from .pipeline import ColoredFrame
from .reading import Frame, probe_film, read_colors, read_frames
from .segments import color_segments, finish, opened_parts


def colorize_film(
    colorizer: Colorizer, source: str | Path, target: str | Path, *,
    independent_frames: bool = False, preview: float | None = None, resume: bool = True,
    force: bool = False, on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_frame: Callable[[ColoredFrame[Frame]], None] = lambda colored: None,
) -> FilmJob:  # fmt: skip
    """Colorize a film file; everything else about it is kept.

    Parameters
    ----------
    colorizer : Colorizer
    source, target : str or Path
        The film, and the film to write; its suffix says in which container.
    independent_frames : bool
        Colour each frame as if it were a photo: the colours flicker.
    preview : float, optional
        Number of seconds, from the start, to colour; the default is all.
    resume : bool
        Go on where an earlier call was stopped.
    force : bool
        Replace ``target`` if it exists.
    on_progress : callable
        Called with the number of frames done and the number of all, which is a guess.
    on_frame : callable
        Called with each frame and its colours, of those that this call colours.

    Returns
    -------
    FilmJob

    Raises
    ------
    VividPastError
        If the film can't be read or coloured, or can't be written.
    """
    job = plan_film(Path(source), Path(target), independent_frames, preview, force)
    with opened_parts(job, job.identity(colorizer), resume):
        color_segments(job, colorizer, on_progress=on_progress, on_frame=on_frame)
        finish(job)
    return job


def film_stills(job: FilmJob, count: int = 9) -> list[tuple[str, list[Image.Image]]]:
    """Take stills out of a film and its finished coloured copy, for a contact sheet.

    Returns
    -------
    list of tuple
        The time at which a frame is shown, and the frame in grey and coloured; evenly spaced.
    """
    info, colored = job.info, probe_film(job.target)
    picks = {round((index + 0.5) * colored.frames / count - 0.5) for index in range(count)}
    rows = []
    for index, (frame, shown) in enumerate(
        zip(read_frames(info), read_colors(colored), strict=False)
    ):
        if index in picks:
            seconds = float(frame.pts * info.time_base - info.start)
            images = [Image.fromarray(info.grey(frame)).convert("RGB"), Image.fromarray(shown)]
            for image in images:
                image.thumbnail((THUMBNAIL, THUMBNAIL))
            rows.append((f"{seconds:.1f} s", images))
    return rows
