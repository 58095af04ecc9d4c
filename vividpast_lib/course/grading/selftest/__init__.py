"""The check of grading: solutions and attacks are planted, and each must get its due.

::

    planting.py  reads what is planted, from the files in planted/
    check.py     grades a class of planted submissions
"""
