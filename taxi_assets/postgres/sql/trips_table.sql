CREATE TABLE IF NOT EXISTS {trips} ({columns});
