"""The Kestra side: writes the flows of `kestra/`, replays their statements, talks to a server, compares the two."""
