"""`python -m ml_logger`: the same as the `ml-logger` command."""

import sys

from ml_logger.cli import main

sys.exit(main())
