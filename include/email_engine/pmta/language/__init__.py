"""PowerMTA's configuration as a language: text to tree and back, what each line means, what is wrong with it."""
