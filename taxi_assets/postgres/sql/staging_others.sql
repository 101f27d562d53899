-- The rows of no month's own partition. It goes with the schema taxi_assets, and staging may outlive that.
CREATE TABLE IF NOT EXISTS {others} PARTITION OF {staging} DEFAULT;
