"""`python -m easymtl` is `easymtl`."""

import sys

from easymtl.cli import main

sys.exit(main())
