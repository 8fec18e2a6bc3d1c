"""The file: connections, transactions, schema, rows, and what is looked up in them."""
