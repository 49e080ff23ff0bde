"""What every long-running part rests on: the journal, remote services, processes, files and progress."""
