"""Which rows a build takes: sampling, duplicates, decontamination, counterweight."""
