"""`python -m vividpast_lib.cli` is the command `vividpast`."""

import sys

from .main import main

sys.exit(main())
