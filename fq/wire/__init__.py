"""Values to JSON bytes and back: messages, results, and arguments by their annotations."""
