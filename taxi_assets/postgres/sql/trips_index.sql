-- Finds a month's rows without reading the others. A load puts its strays last, so that a pickup of 2008 or 2041 widens
-- one range of pages and not all; dropoff is there for its NULLs.
CREATE INDEX IF NOT EXISTS {index} ON {trips} USING brin ({pickup}, {dropoff}) WITH (pages_per_range = 128);
