"""`clinic bench`: every benchmark by name; what is not there yet says so in its row."""

import sys

from tests.benchmarks import harness

HERE = "tests.benchmarks"
BENCHMARKS = {
    "warm": f"{HERE}.sheet_bench:warm",
    "pack": f"{HERE}.sheet_bench:pack",
    "packs": f"{HERE}.pack_rows:bench",
    "cold": f"{HERE}.sheet_bench:cold",
    "files": f"{HERE}.sheet_bench:files",
    "speed": f"{HERE}.mix_bench:speed",
    "mix": f"{HERE}.mix_bench:throughput",
    "cache": f"{HERE}.cache_bench:bench",
    "memory": f"{HERE}.worker_bench:memory",
    "flat": f"{HERE}.worker_bench:flat",
    "hostile": f"{HERE}.worker_bench:hostile",
    "web": f"{HERE}.web_rows:bench",
    "load": f"{HERE}.load_bench:bench",
    "far": f"{HERE}.far_rows:bench",
    "press": f"{HERE}.press_bench:bench",
    "web_memory": f"{HERE}.memory_bench:bench",
    "audit": f"{HERE}.audit_bench:bench",
    "codes": f"{HERE}.codes_bench:bench",
    "overlay": f"{HERE}.overlay_bench:bench",
}

if __name__ == "__main__":
    sys.exit(harness.main(BENCHMARKS))
