-- Finds a month's rows without reading the others. minmax_multi keeps a stray pickup of 2008 or 2041 from widening
-- the range of its neighbours; dropoff is there for its NULLs.
CREATE INDEX IF NOT EXISTS {index} ON {trips}
    USING brin ({pickup} timestamp_minmax_multi_ops, {dropoff}) WITH (pages_per_range = 128);
