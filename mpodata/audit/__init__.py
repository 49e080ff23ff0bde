"""The checks of a build over any multilingual preference data that exists already."""
