"""`python -m tools.fuzz`: run cases, or one case alone."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.fuzz.cases import ALL, Corpus, shares
from tools.fuzz.driver import Tally, make_corpus, run, wholes
from tools.fuzz.readers import READERS

_CASES = 5000  # a few minutes on two cores


def main() -> int:
    """Return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=_CASES, help="how many, over all readers")
    parser.add_argument("--seed", type=int, default=0, help="other cases")
    parser.add_argument("--readers", default=",".join(READERS), help="names with commas between")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--first", type=int, default=0, help="number of each reader's first case")
    parser.add_argument("--whole", action="store_true", help="whole inputs: what is refused?")
    parser.add_argument("--case", metavar="READER:N", help="run this case alone")
    parser.add_argument("--save", type=Path, metavar="FILE", help="with --case: write its bytes")
    given = parser.parse_args()
    names = [name for name in given.readers.split(",") if name]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        parser.error(f"expected readers of {', '.join(READERS)}, found {unknown[0]!r}")
    tally, start = Tally(), time.perf_counter()
    with TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = Path(folder) / "corpus"
        if given.case:
            name, _, number = given.case.partition(":")
            names, cases = [name], [(name, int(number))]
        make_corpus(corpus, names)
        if given.save:
            given.save.write_bytes(Corpus(corpus, given.seed).case(ALL[name], int(number))[1])
            print(f"wrote {given.save}")
            return 0
        if given.whole:
            cases = wholes(corpus, names)
        elif not given.case:
            counts = shares(names, given.cases)
            cases = [(n, given.first + i) for n, count in counts.items() for i in range(count)]
        told = ["fault", *["refused"] * given.whole, *["ok", "refused"] * bool(given.case)]
        for verdict in run(cases, given.seed, min(given.jobs, len(cases)), Path(folder)):
            tally.add(verdict)
            if verdict.kind in told:
                print(f"{verdict.case} {verdict.kind} {verdict.why}", flush=True)
    print(f"\n{tally.table()}\n{time.perf_counter() - start:.0f} s, seed {given.seed}")
    for what, found in tally.kinds():
        print(f"{len(found):>5}  {what}  ({', '.join(found[:3])})")
    if tally.faults:
        print(f"again: python -m tools.fuzz --seed {given.seed} --case {tally.faults[0].case}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
