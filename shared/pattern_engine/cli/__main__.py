"""Run `pattern-engine` as `python -m pattern_engine.cli`."""

import sys

from pattern_engine.cli import main

sys.exit(main())
