"""What `make bench` measures: each kind of work beside the least that it could cost."""
