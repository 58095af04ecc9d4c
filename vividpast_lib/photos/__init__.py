"""Photos: picture files, sets of photos, and batches of crops for training.

::

    picture.py          one picture in memory
    picture_reading.py  a picture file -> a picture
    picture_writing.py  a picture -> a picture file
    photo_set.py        photos of one set and split, read one at a time
    shards.py           a set packed in a few large files
    open.py             a set's name or folder -> its photos
    pack_shards.py      folders of photos -> shards
    crops.py            square crops of photos and of their class maps
    whole_photos.py     whole photos kept on a device, which cuts crops of them
    loader.py           batches of crops, read by worker processes, as Lab tensors
    sheets.py           contact sheets
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "open": ["bundled_folder", "open_class_maps", "open_photos"],
        "photo_set": ["PhotoSet", "split_of"],
        "picture": ["Picture"],
        "picture_reading": ["read_picture", "read_rgb"],
        "picture_writing": ["write_picture"],
        "crops": ["crop_square"],
        "loader": ["lab_batches", "load_lab", "mean_color"],
        "sheets": ["contact_sheet"],
    },
)
