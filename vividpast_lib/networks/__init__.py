"""Colorizing networks: lightness in, ab out; and segmenters: lightness in, class maps out.

::

    registry.py              the networks that can be trained, one entry each
    color_network.py         the base of the colorizing networks
    layers.py                layers that several networks have
    colornet_2018.py         the networks of 2018: autoencoder and fusion
    pyramid.py               the default network: deep features fused at four scales
    constant.py              the trivial colorizer
    checkpoints.py           networks <-> files; weights/ holds those that ship
    efficientnet.py          EfficientNet-Lite, a backbone
    voc.py                   the classes of PASCAL VOC
    segmenters.py            lightness -> class logits and features
    class_maps.py            class logits encoded for fusion networks
    class_map_pictures.py    class maps drawn over photos
    segmenter_evaluation.py  how good a segmenter is, which classes carry colour
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoints": ["DEFAULT_MODEL", "load_checkpoint", "shipped_models"],
        "class_maps": ["ENCODINGS", "encode"],
        "color_network": ["ColorNetwork"],
        "colornet_2018": ["ColorAutoencoder", "FusionColorizer"],
        "constant": ["ConstantColorizer"],
        "layers": ["SameConv2d"],
        "pyramid": ["PyramidColorizer"],
        "registry": ["NETWORKS", "NetworkEntry", "find_network"],
        "segmenter_evaluation": ["class_colors"],
        "segmenters": ["EfficientNetSegmenter", "Segmenter", "load_segmenter", "segment_photo"],
        "voc": ["VOC_CLASSES", "voc_palette"],
        "class_map_pictures": ["class_map_picture"],
    },
)
