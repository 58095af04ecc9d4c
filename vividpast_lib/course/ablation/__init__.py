"""The study of lesson 06: variants of one network, which differ only in what is fused, and how.

::

    variants.py  the networks
    study.py     trains them alike
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "study": ["SegmentedPhotos", "other_photos", "run_study", "study_summary"],
        "variants": ["VARIANTS", "StudyNetwork"],
    },
)
