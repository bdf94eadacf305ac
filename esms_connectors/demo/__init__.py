"""One campaign against the emulator: what `esms demo` runs."""
