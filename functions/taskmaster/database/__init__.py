"""PostgreSQL: sessions, the named SQL, what a transaction of each login may do. Start at `store.Database`."""
