"""What a code and its footage are made into: each application one file, and its worker another."""
