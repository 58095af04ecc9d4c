"""Planted submissions, right, wrong and malicious, which show whether grades can be trusted.

::

    planting.py  reads the solutions and attacks in planted/
    check.py     grades a class of them, and compares each grade with its due
"""
