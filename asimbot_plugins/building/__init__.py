"""From messages to rows: threads, splits, filters, near-duplicates, the report."""
