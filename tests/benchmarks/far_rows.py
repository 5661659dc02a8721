"""Sheets drawn by other machines while one is killed every ten seconds, as rows: `python -m tests.benchmarks.far_rows`.

What is done, and how to try it with a network of its own for each machine: far_bench.py.
"""

from collections.abc import Iterator

from tests.benchmarks.harness import Bar, Row, Run, absent, alone, row

SHEETS = 500
WORKERS = (2, 4)
EVERY, LONGEST = 10, 900  # s between two kills, s for a round


def bench(how: Run) -> Iterator[Row]:
    """500 unlike sheets over two, then four workers: different results, double ones, lost ones."""
    if not how.long:
        yield absent("far", "only with --long: takes minutes, needs PostgreSQL")
        return
    from tests.benchmarks import far_bench

    for workers in WORKERS:
        found = far_bench.run(SHEETS, workers, EVERY, LONGEST, hosts=False, light=False)
        name, note = f"far.{SHEETS}_over_{workers}", f"{found['killed']} killed, {found['states']}"
        yield row(f"{name}.distinct", found["distinct"], "count", bar=Bar("value", ">=", SHEETS), note=note)
        for what in ("double", "lost"):
            yield row(f"{name}.{what}", found[what], "count", bar=Bar("value", "<=", 0))
        yield row(f"{name}.time", found["seconds"] * 1000)


if __name__ == "__main__":
    alone("far", "tests.benchmarks.far_rows:bench")
