"""The journey of one campaign against the emulator: what `make demo` and `esms demo` run."""
