"""`clinic bench`: every benchmark by name."""

import sys

from tests.benchmarks import harness

HERE = "tests.benchmarks"
BENCHMARKS = {
    "warm": f"{HERE}.sheet_bench:warm",
    "pack": f"{HERE}.sheet_bench:pack",
    "cold": f"{HERE}.sheet_bench:cold",
    "files": f"{HERE}.sheet_bench:files",
}

if __name__ == "__main__":
    sys.exit(harness.main(BENCHMARKS))
