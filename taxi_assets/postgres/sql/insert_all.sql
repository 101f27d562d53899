INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows} AS s WHERE {part}
