"""The speed goals of this project, each measured as a ratio beside its peers. `make bench` runs them."""
