"""Dataset versions: written whole, named by content, published once, readable and checkable by anyone.

write.py    rows -> a version's folder          schema.py manifest.py summary.py licences.py card.py card_facts.py
publish.py  folder -> one commit and one tag    release.py merge.py diff.py semver.py changelog.py patience.py
store.py    where versions are kept             folder_store.py, hub_store.py with hub_errors.py
load.py     reference -> rows                   reference.py show.py verify.py
export.py   rows -> another trainer's form      formats/: one file for each trainer
"""
