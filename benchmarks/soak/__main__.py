"""Put a local stack under load for minutes; print a table and write results/soak.json.

`python -m benchmarks.soak [--seconds N] [NAME …]` runs all loads, or the named modules of this
folder. `--seconds` is how long a load lasts, where it is measured by time.
"""

import argparse
import importlib
import json

from benchmarks.__main__ import RESULTS, show

NAMES = ("healing", "backlog")


def main() -> None:
    """Run the chosen loads, write their results and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=480.0)
    given = parser.parse_args()
    results = []
    for name in given.names or NAMES:
        print(f"soaking {name} …", flush=True)
        results += importlib.import_module(f"benchmarks.soak.{name}").run(given.seconds)
    RESULTS.parent.mkdir(exist_ok=True)
    file = RESULTS.with_name("soak.json")
    file.write_text(json.dumps([result.as_dict() for result in results], indent=2) + "\n")
    show(results)


if __name__ == "__main__":
    main()
