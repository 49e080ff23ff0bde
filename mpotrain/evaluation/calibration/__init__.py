"""What a judge gets wrong, from answers that a person labelled, and the rates corrected for it."""
