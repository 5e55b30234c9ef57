"""`python3 -m dev fairness`: what turns do to the queue of requests, on virtual time; prints a table of waits.

The decisions are those of `shared/core/turns`; queue, instances and tables are simulated. It takes some ten seconds.
It returns 1 if a bound is exceeded. The same seed prints the same figures.
"""

import argparse
import time

from dev.arguments import at_least
from dev.simulation.fairness import CASES, Figure

#: No case is begun after so many seconds of CPU.
_MOST_CPU_S = 120.0


def main(argv: list[str]) -> int:
    """Run the cases and print their figures; returns 1 when a bound is exceeded, or when the time was too short."""
    parser = argparse.ArgumentParser(prog="python3 -m dev fairness", description=__doc__)
    parser.add_argument("--seed", type=at_least(0), default=1, help="whatever is left to chance follows from it")
    options = parser.parse_args(argv)
    kept, began_s = True, time.process_time()
    for case in CASES:
        if time.process_time() - began_s > _MOST_CPU_S:
            print(f"stopped before {case.name!r}: {_MOST_CPU_S:.0f} s of CPU are used")
            return 1
        figures = case.figures(options.seed)
        kept &= all(figure.kept for figure in figures)
        print(f"\n{case.name}\n" + "\n".join(_line(figure) for figure in figures))
    print(f"\nseed {options.seed}: " + ("every bound is kept" if kept else "a bound is exceeded"))
    return 0 if kept else 1


def _line(figure: Figure) -> str:
    bound = "" if figure.most is None else f"  at most {figure.most:g}{'' if figure.kept else '  EXCEEDED'}"
    return f"  {figure.label:<28}{figure.value:>10.2f}{bound}"
