"""What several steps share: names, versions, questions about the snapshot, the proof, parts of statements."""
