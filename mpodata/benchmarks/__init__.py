"""Prompt benchmarks translated into other languages as versions of their own: XSTest, for over-refusal.

xstest.py reads the published table, translate.py makes its languages, version.py keeps them in a folder registry, whose
versions `mpotrain eval --data xstest=FOLDER` reads.
"""
